"""Sessions of the app that do as they are told, over its websocket, and remember what they were shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks._app import free_port, running
from benchmarks._participants import LARGEST, Participant
from qdebug.cli.app import command as app_command
from qdebug.jobs import stop_worker
from qdebug.places import app_script

PRESETS = ("w8a8", "w8a8-pc", "w4a8-pc")
PATIENCE = 120.0
"""Seconds for a screen to come to its numbers."""


@dataclass
class Session(Participant):
    """One that is told what to do.

    Attributes:
        toasts: what was said in passing.
        recipe: what the address calls the recipe; empty for the first one.
        strip: the score as it is shown.
    """

    strip: str = ""
    recipe: str = ""

    def __post_init__(self) -> None:
        self.toasts: list[str] = []
        self._line: ClientConnection | None = None

    async def enter(self) -> None:
        """Come in and wait for the first score."""
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        self._line = await connect(url, subprotocols=["streamlit"], max_size=LARGEST)  # type: ignore[list-item]
        await self._run(self._line, page_name="layers")
        await self.rest()

    async def choose(self, preset: str) -> None:
        """Change the preset; the run that it causes, and no more."""
        assert self._line is not None
        self.strip = ""
        await self._run(self._line, pick=preset)

    async def rest(self) -> None:
        """Look again until the score is exact.

        Raises:
            TimeoutError: it does not come.
        """
        assert self._line is not None
        until = time.monotonic() + PATIENCE
        while not (self._options and ">exact<" in self.strip):
            if time.monotonic() > until:
                raise TimeoutError(
                    f"no rest after {PATIENCE:.0f} s: {self._options[:1]} {self.strip[-80:]} {self._again}"
                )
            await self._look(self._line, asyncio.Event(), 0.3)

    async def again(self) -> None:
        """Have the page drawn once more."""
        assert self._line is not None
        await self._run(self._line)

    async def leave(self) -> None:
        """Go."""
        if self._line is not None:
            await self._line.close()

    def _heard(self, message: ForwardMsg, fragment: str) -> bool:
        kind = message.WhichOneof("type")
        if kind == "page_info_changed":
            self.recipe = parse_qs(message.page_info_changed.query_string).get("recipe", [""])[0]
        return super()._heard(message, fragment)

    def _seen(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        if kind == "toast":
            self.toasts.append(element.toast.body)  # type: ignore[attr-defined]
        elif kind == "html" and 'class="q-strip"' in element.html.body:  # type: ignore[attr-defined]
            self.strip = element.html.body  # type: ignore[attr-defined]
        super()._seen(element)


def session(address: str) -> Session:
    """One that has not come in yet."""
    return Session(address, PRESETS, 0.0)


@contextmanager
def served(folder: Path, *more: str, **variables: str) -> Iterator[tuple[str, int]]:
    """The app over a compute process and a workspace of its own; gives its address and its server's process.

    Args:
        folder: where both keep what they keep.
        more: settings of the server's, as on its command line.
        variables: of its environment.
    """
    port = free_port()
    own = {f"QDEBUG_{name}": str(folder / name.lower()) for name in ("RUNTIME", "WORKSPACE", "EXPORTS", "UPLOADS")}
    command = [*app_command(app_script(), "127.0.0.1", port), *more]
    try:
        with running(command, port, folder / "server.log", own | variables) as process:
            yield f"http://127.0.0.1:{port}", process.pid
    finally:
        stop_worker(folder / "runtime")
