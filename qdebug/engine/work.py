"""Progress, partial answers and cancellation, handed down to whatever takes long. Torch-free."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qdebug.errors import Cancelled
from qdebug.results import Progress


class Work:
    """One piece of work under way: it reports where it is, and stops when asked.

    Args:
        report: called with each :class:`Progress`, from the thread that works.
        show: called with each partial answer, from that thread too.
    """

    def __init__(
        self, report: Callable[[Progress], None] | None = None, show: Callable[[object], None] | None = None
    ) -> None:
        self._report = report
        self._show = show
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check. Safe from any thread."""
        self._stop.set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if somebody asked for a stop. Called between nodes, so it must stay cheap."""
        if self._stop.is_set():
            raise Cancelled

    def step(self, done: int, total: int, text: str) -> None:
        """Report progress and check for a stop."""
        self.check()
        if self._report:
            self._report(Progress(done=done, total=total, text=text))

    def part(self, value: object) -> None:
        """Show what is known so far, a value of the answer's own type, and check for a stop.

        It costs next to nothing where nobody looks, so whoever works may call it as often as something is added.
        """
        self.check()
        if self._show:
            self._show(value)
