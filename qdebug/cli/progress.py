"""Progress on standard error, for what takes more than a second."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from qdebug.results import Progress

if TYPE_CHECKING:
    from qdebug.engine.work import Work

QUIET = 1.0
"""Seconds during which nothing is said."""
_TICK = 0.2
_REPEAT = 10.0


class Reporter:
    """Says on standard error what is going on, in place on a terminal and in lines elsewhere.

    Args:
        text: what is going on before ``work`` reports anything.
    """

    def __init__(self, text: str) -> None:
        self._now = Progress(done=0, total=0, text=text)
        self._start = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._in_place = sys.stderr.isatty()
        self._width = 0
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    def __enter__(self) -> Reporter:
        self._thread.start()
        from qdebug.engine.work import Work  # here, because the engine brings torch, which takes its time

        self.work: Work = Work(self._note)
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody else sees to it
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._over.set()
        self._thread.join()
        if self._width:
            print("\r" + " " * self._width, end="\r", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays, beside what is going on."""
        clear = "\r" + " " * self._width + "\r" if self._width else ""
        print(f"{clear}qdebug: {text}", file=sys.stderr, flush=True)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C ends work that has something to show with the best so far; other work, and a second time, at once."""
        if not self.work.can_finish:
            raise KeyboardInterrupt
        self.work.finish()
        self.say("ending with the best so far; Ctrl-C again gives up")

    def _note(self, progress: Progress) -> None:
        self._now = progress

    def _tell(self) -> None:
        """In a thread of its own, since the work may be silent for long."""
        if self._over.wait(QUIET):
            return
        said, when = "", 0.0
        while True:
            now, seconds = self._now, time.monotonic() - self._start
            steps = f" {now.done}/{now.total}" if now.total else ""
            if self._in_place:
                line = f"{now.text}{steps}, {seconds:.0f} s"
                print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
                self._width = max(self._width, len(line))
            elif now.text != said or seconds - when > _REPEAT:
                print(f"qdebug: {now.text}{steps}, {seconds:.0f} s", file=sys.stderr, flush=True)
                said, when = now.text, seconds
            if self._over.wait(_TICK if self._in_place else QUIET):
                return
