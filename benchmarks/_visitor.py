"""A visitor without a browser: one session of the app over its websocket, that can press, type, upload and go about.

What the server sends is handed on, message by message, as it came. What a page would ask for by itself (parts that look
again every so often) a visitor asks for as well when it waits, so that each costs the server what a browser would.
"""

from __future__ import annotations

import asyncio
import http.client
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLsResponse
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

R = TypeVar("R")
LARGEST = 256 * 2**20
PATIENCE = 240.0
"""Seconds for a run of the page, or for what was asked for to come."""
GLANCE = 0.2
"""Seconds between two looks for a widget that has not been drawn yet."""


@dataclass
class Visitor:
    """One session.

    Attributes:
        address: of the app, such as ``http://127.0.0.1:8501``.
        hear: is given every message of the server's, as its bytes.
        widgets: what was drawn last, by its key: the identifier and the element.
        problems: errors that the page has drawn, as HTML.
        seconds: of each run that something pressed or typed has caused.
    """

    address: str
    hear: Callable[[bytes], None] = lambda message: None
    widgets: dict[str, tuple[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _line: ClientConnection | None = None
    _page: str = ""
    _session: str = ""
    _held: dict[str, WidgetState] = field(default_factory=dict)
    _again: dict[str, float] = field(default_factory=dict)
    _urls: dict[str, FileURLsResponse] = field(default_factory=dict)

    @asynccontextmanager
    async def inside(self, page: str = "", cookies: str = "", **query: str) -> AsyncIterator[Visitor]:
        """Come in at a screen's address; leave at the end."""
        try:
            await self.enter(page, cookies, **query)
            yield self
        finally:
            await self.leave()

    async def enter(self, page: str = "", cookies: str = "", **query: str) -> None:
        """Come in at a screen's address."""
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        more = {"Cookie": cookies} if cookies else {}
        self._line = await connect(
            url, subprotocols=["streamlit"], max_size=LARGEST, additional_headers=more,  # type: ignore[list-item]
        )  # fmt: skip
        await self._run(page, query=urlencode(query))

    async def leave(self) -> None:
        """Hang up."""
        if self._line is not None:
            await self._line.close()

    async def again(self) -> None:
        """Have the page drawn once more."""
        await self._run()

    async def go(self, page: str, seconds: float = PATIENCE) -> None:
        """Go to a screen by the sidebar, and stay until nothing is being measured or the seconds are over."""
        self._page, self._held = "", {}
        await self._run(page)
        await self.rest(seconds)

    async def press(self, key: str) -> None:
        """Click a button."""
        await self._act(key, lambda state: setattr(state, "trigger_value", True), lasting=False)

    async def type(self, key: str, text: str) -> None:
        """Type into a field, or pick an entry of a select."""
        await self._act(key, lambda state: setattr(state, "string_value", text))

    async def drop(self, key: str, files: Mapping[str, bytes]) -> None:
        """Upload files to an uploader, as the browser does: ask where to, send them there, say that they are there."""
        request = BackMsg()
        request.file_urls_request.request_id = secrets.token_hex(8)
        request.file_urls_request.session_id = self._session
        request.file_urls_request.file_names.extend(files)
        await self._send(request)
        async with asyncio.timeout(PATIENCE):
            while request.file_urls_request.request_id not in self._urls:
                await self._take("")
        urls = self._urls.pop(request.file_urls_request.request_id).file_urls
        for place, (name, content) in zip(urls, files.items(), strict=True):
            await asyncio.to_thread(_put, self.address, place.upload_url, name, content)

        def told(state: WidgetState) -> None:
            for place, (name, content) in zip(urls, files.items(), strict=True):
                one = state.file_uploader_state_value.uploaded_file_info.add()
                one.name, one.size, one.file_id = name, len(content), place.file_id
                one.file_urls.CopyFrom(place)

        await self._act(key, told)

    async def rest(self, seconds: float = PATIENCE) -> None:
        """Look again, as the page does, until nothing more wants to be looked at or the seconds are over."""
        end = time.monotonic() + seconds
        while self._again and time.monotonic() < end:
            await asyncio.sleep(min(self._again.values()))
            await self._look()

    async def until(self, key: str, gone: str = "") -> None:
        """Stay until a widget is there, and another one, such as that of a dialog above it, no more.

        Raises:
            TimeoutError: it does not come.
        """
        async with asyncio.timeout(PATIENCE):
            while key not in self.widgets or gone in self.widgets:
                await self.rest(GLANCE)
                await asyncio.sleep(GLANCE)

    async def told(self, words: str, seconds: float = 90.0) -> None:
        """Stay until an error with these words is drawn, or the seconds are over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(words in one for one in self.problems):
            await self.rest(GLANCE)
            await asyncio.sleep(GLANCE)

    async def _look(self) -> None:
        """Ask once for each part that wants to be looked at again."""
        for fragment in list(self._again):
            if fragment in self._again:  # the one before may have had the page drawn anew, without it
                await self._run(fragment=fragment)

    async def _act(self, key: str, fill: Callable[[WidgetState], None], *, lasting: bool = True) -> None:
        state = WidgetState()
        state.id = self.widgets[key][0]
        fill(state)
        if lasting:
            self._held[state.id] = state
        begun = time.perf_counter()
        await self._run(changed=None if lasting else state)
        self.seconds.append(time.perf_counter() - begun)

    async def _run(
        self, page: str = "", *, fragment: str = "", changed: WidgetState | None = None, query: str = ""
    ) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.page_script_hash, state.query_string = page, self._page, query
        if fragment:
            state.fragment_id, state.is_auto_rerun = fragment, True
        else:
            self._again.clear()
            self.widgets.clear()
        state.widget_states.SetInParent()
        state.widget_states.widgets.extend([*self._held.values(), *([changed] if changed else [])])
        await self._send(message)
        async with asyncio.timeout(PATIENCE):
            while not await self._take(fragment):
                pass

    async def _send(self, message: BackMsg) -> None:
        assert self._line is not None
        await self._line.send(message.SerializeToString())

    async def _take(self, fragment: str) -> bool:
        """Take in one message of the server's; whether a run has ended with it."""
        assert self._line is not None
        content = await self._line.recv(decode=False)
        self.hear(content)
        return self._heard(ForwardMsg.FromString(content), fragment)

    def _heard(self, message: ForwardMsg, fragment: str) -> bool:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._page = message.new_session.page_script_hash or self._page
            self._session = message.new_session.initialize.session_id or self._session
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash or self._page
        elif kind == "auto_rerun":
            self._again[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "file_urls_response":
            self._urls[message.file_urls_response.response_id] = message.file_urls_response
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._drawn(message.delta.new_element)
        elif kind == "script_finished":
            return self._finished(message.script_finished, fragment)
        return False

    def _finished(self, how: int, fragment: str) -> bool:
        if how == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._again.clear()  # the page is drawn anew, and says so again where it is to be looked at
            self.widgets.clear()
            return False
        if fragment and how != ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            self._again.pop(fragment, None)
        return True

    def _drawn(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        what = getattr(element, kind)
        if kind == "exception":
            self.problems.append(what.message)
        elif kind == "html" and 'role="alert"' in what.body:
            self.problems.append(what.body)
        elif name := getattr(what, "id", ""):
            self.widgets[name.split("-", 2)[-1]] = name, what


def visit(visits: Coroutine[Any, Any, R]) -> R:
    """What comes of visits, in a thread of their own: tests may have Playwright in this one."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, visits).result()


def _put(address: str, url: str, name: str, content: bytes) -> None:
    """Send a file to where the server wants it, with the token against requests that other sites make."""
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    line.request("GET", "/_stcore/health")
    answer = line.getresponse()
    answer.read()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    border = secrets.token_hex(16)
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
    token = {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]} if cookie else {}
    line.request("PUT", url, body, kind | token)
    answer = line.getresponse()
    said = answer.read()
    line.close()
    if answer.status >= 300:
        raise ConnectionError(f"the upload was answered with {answer.status}: {said[:200]!r}")
