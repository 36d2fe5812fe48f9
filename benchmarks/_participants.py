"""Participants without a browser: sessions of the app over its websocket, as Streamlit's page speaks it.

Each looks at the Layers screen and changes the recipe's preset now and then. What a page would ask for by itself (parts
that look again every so often) is asked for as well, so that each costs the server what a browser would.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

LARGEST = 256 * 2**20
PATIENCE = 60.0
"""Seconds after which a run that has not ended counts as an error."""


@dataclass
class Participant:
    """One session.

    Attributes:
        seconds: of each click, from the message to the end of the run it caused.
        errors: what was shown or happened that should not.
    """

    address: str
    presets: tuple[str, ...]
    think: float
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _select: str = ""
    _options: list[str] = field(default_factory=list)
    _again: dict[str, float] = field(default_factory=dict)
    _page: str = ""

    async def stay(self, ready: asyncio.Event, leave: asyncio.Event) -> None:
        """Come in, say so, and click until it is time to leave."""
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        try:
            async with connect(url, subprotocols=["streamlit"], max_size=LARGEST) as line:  # type: ignore[list-item]
                await self._run(line, page_name="layers")
                while not self._options and not leave.is_set():  # the model is being opened
                    await self._look(line, leave, 1.0)
                ready.set()
                while not leave.is_set():
                    await self._look(line, leave, self.think * random.uniform(0.5, 1.5))
                    if not leave.is_set():
                        begun = time.perf_counter()
                        await self._run(line, pick=random.choice(self._options))
                        self.seconds.append(time.perf_counter() - begun)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            ready.set()

    async def _look(self, line: ClientConnection, leave: asyncio.Event, seconds: float) -> None:
        """Think, while parts of the page look again."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not leave.is_set():
            every = min(self._again.values(), default=left)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(leave.wait(), min(left, every))
            for fragment in list(self._again):
                if fragment in self._again:  # the one before may have had the page drawn anew, without it
                    await self._run(line, fragment=fragment)

    async def _run(self, line: ClientConnection, page_name: str = "", pick: str = "", fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.page_script_hash = page_name, self._page
        if fragment:
            state.fragment_id, state.is_auto_rerun = fragment, True
        else:
            self._again.clear()
        if pick:
            chosen = state.widget_states.widgets.add()
            chosen.id, chosen.string_value = self._select, pick
        state.widget_states.SetInParent()
        await line.send(message.SerializeToString())
        async with asyncio.timeout(PATIENCE):
            while not self._heard(ForwardMsg.FromString(await line.recv(decode=False)), fragment):
                pass

    def _heard(self, message: ForwardMsg, fragment: str) -> bool:
        """Take in what the server says; whether the run has ended."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._page = message.new_session.page_script_hash or self._page
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash or self._page
        elif kind == "auto_rerun":
            self._again[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._seen(message.delta.new_element)
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._again.clear()  # the page has itself drawn anew: parts that look again will say so again
                return False
            if fragment and message.script_finished != ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
                self._again.pop(fragment, None)
            return True
        return False

    def _seen(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        if kind == "exception":
            self.errors.append(element.exception.message)  # type: ignore[attr-defined]
        elif kind == "html" and 'role="alert"' in element.html.body:  # type: ignore[attr-defined]
            self.errors.append(element.html.body[:200])  # type: ignore[attr-defined]
        elif kind == "selectbox" and element.selectbox.label == "Preset":  # type: ignore[attr-defined]
            select = element.selectbox  # type: ignore[attr-defined]
            self._select = select.id
            self._options = [one for one in select.options if one.split(",")[0] in self.presets]
