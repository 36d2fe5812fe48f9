"""Visitors of a server of their own who change their recipe, and remember what they were shown of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks._app import free_port, running
from benchmarks._participants import PRESET
from benchmarks._visitor import Visitor
from qdebug.cli.app import command as app_command
from qdebug.jobs import stop_worker
from qdebug.places import app_script

PATIENCE = 120.0
"""Seconds for a screen to come to its numbers."""
GLANCE = 0.3
"""Seconds between two looks at the score."""


@dataclass
class Session(Visitor):
    """One that changes its recipe when it is told to.

    Attributes:
        toasts: what was said in passing.
        recipe: what the address calls the recipe; empty for the first one.
        strip: the score as it is shown.
    """

    toasts: list[str] = field(default_factory=list)
    recipe: str = ""
    strip: str = ""

    async def choose(self, preset: str) -> None:
        """Change the preset; the run that it causes, and no more."""
        await self.until(PRESET)
        self.strip = ""
        await self.type(PRESET, preset)

    async def scored(self) -> None:
        """Look again until the score is exact.

        Raises:
            TimeoutError: it does not come.
        """
        until = time.monotonic() + PATIENCE
        while not (PRESET in self.widgets and ">exact<" in self.strip):
            if time.monotonic() > until:
                raise TimeoutError(f"no score after {PATIENCE:.0f} s: {list(self.widgets)[:3]} {self.strip[-80:]}")
            await asyncio.sleep(GLANCE)
            await self._look()

    def _heard(self, message: ForwardMsg, fragment: str) -> bool:
        kind = message.WhichOneof("type")
        if kind == "page_info_changed":
            self.recipe = parse_qs(message.page_info_changed.query_string).get("recipe", [""])[0]
        return super()._heard(message, fragment)

    def _drawn(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "toast":
            self.toasts.append(element.toast.body)
        elif kind == "html" and 'class="q-strip"' in element.html.body:
            self.strip = element.html.body
        super()._drawn(element)


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
