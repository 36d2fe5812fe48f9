"""Progress, partial answers and cancellation, handed down to whatever takes long. Torch-free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdebug.errors import Cancelled
from qdebug.results import Losses, Progress


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
        self._enough = threading.Event()
        self._takes_less = False
        self._ends_when_enough = False

    def cancel(self) -> None:
        """Ask the work to stop at its next check. Safe from any thread."""
        self._stop.set()

    def finish(self) -> None:
        """Say that what is there is enough: work that gets better as it goes on ends with the best so far.

        Safe from any thread. Work that has nothing to show before its end goes on.
        """
        self._enough.set()

    @property
    def is_enough(self) -> bool:
        """Whether somebody has enough, and whoever asked for the work can do with less."""
        return self._takes_less and self._enough.is_set()

    @property
    def was_finished(self) -> bool:
        """Whether somebody has said that this is enough, heeded or not."""
        return self._enough.is_set()

    @property
    def can_finish(self) -> bool:
        """Whether the work ends when somebody has enough, and nobody has said so yet."""
        return self._takes_less and self._ends_when_enough and not self.is_enough

    @contextmanager
    def takes_less(self) -> Iterator[None]:
        """While whoever asked can do with less than was asked for."""
        self._takes_less = True
        try:
            yield
        finally:
            self._takes_less = False

    @contextmanager
    def ends_when_enough(self) -> Iterator[None]:
        """While the work could end with the best so far."""
        self._ends_when_enough = True
        try:
            yield
        finally:
            self._ends_when_enough = False

    @contextmanager
    def as_one_step(self) -> Iterator[None]:
        """While what is done is one step that was reported already: steps within it only check for a stop."""
        report, self._report = self._report, None
        try:
            yield
        finally:
            self._report = report

    def check(self) -> None:
        """Raise :class:`Cancelled` if somebody asked for a stop. Called between nodes, so it must stay cheap."""
        if self._stop.is_set():
            raise Cancelled

    def step(self, done: int, total: int, text: str) -> None:
        """Report progress and check for a stop."""
        self.check()
        if self._report:
            self._report(Progress(done=done, total=total, text=text, can_finish=self.can_finish))

    def part(self, value: object) -> None:
        """Show what is known so far, a value of the answer's own type, and check for a stop.

        It costs next to nothing where nobody looks, so whoever works may call it as often as something is added.
        """
        self.check()
        if self._show:
            self._show(value)

    def losses(self, value: Losses) -> None:
        """Tell how far a training is, and check for a stop."""
        self.check()

    def error(self, value: Callable[[], float]) -> None:
        """Offer how large the error is by now, and check for a stop; it is worked out only where somebody watches it.

        Args:
            value: gives the error as a fraction of the signal; called at once or never.
        """
        self.check()
