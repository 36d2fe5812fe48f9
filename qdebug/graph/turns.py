"""Turns of loops: each can be the last, because somebody cancels or because there have been too many.

torch's operators end by themselves; a loop of a model may not, and a loop in a loop not within a lifetime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]
_check: ContextVar[Check | None] = ContextVar("check", default=None)
_turns: ContextVar[list[int] | None] = ContextVar("turns", default=None)


@contextmanager
def checked_by(check: Check) -> Iterator[None]:
    """Call this between turns of loops that this thread runs; it raises where the work is to stop."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """What to call before each turn of a loop; it gives how many there have been, those of loops within included."""
    around, check = _turns.get(), _check.get()
    turns = [0] if around is None else around
    token = _turns.set(turns)

    def turn() -> int:
        if check is not None:
            check()
        turns[0] += 1
        return turns[0]

    try:
        yield turn
    finally:
        _turns.reset(token)
