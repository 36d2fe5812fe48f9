"""How many threads torch computes on, where several threads of this process ask for one at the same time.

``torch.set_num_threads`` sets two things: OpenMP's number for the calling thread alone, and MKL's for the whole
process, which is also what a thread that meets torch for the first time begins with (seen with torch 2.13). So a thread
that left while another still computes on one must not set MKL's number back, and cannot set its own without doing so:
it is owed its number until it begins with something new.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_users = 0
"""Uses of :func:`one_thread` under way, in all threads together."""
_usual = 1
"""The number to go back to; means something only while there are users."""


class _Own(threading.local):
    """What one thread knows of itself."""

    inside = 0
    seen = False
    owed: int | None = None


_own = _Own()


@contextmanager
def one_thread() -> Iterator[None]:
    """While torch computes on one thread: sums in another order could differ in their last bits.

    Uses may be nested and may overlap between threads; the number from before comes back with the end of the last.
    Whatever else the process computes meanwhile multiplies matrices on one thread too.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def settle() -> None:
    """Give this thread the number of threads that a use of :func:`one_thread` has kept from it.

    To be called when a thread begins with something new; costs nothing where there is nothing to do.
    """
    with _lock:
        if not _own.seen:
            _own.seen = True
            if _users and not _own.inside and torch.get_num_threads() != _usual:
                _own.owed = _usual  # it met torch just now, while another thread computes on one
        if _own.owed is not None and not _users:
            torch.set_num_threads(_own.owed)
            _own.owed = None


def _enter() -> None:
    global _users, _usual  # noqa: PLW0603 - the number is the process's
    with _lock:
        _own.seen = True
        if not _users:
            _usual = torch.get_num_threads() if _own.owed is None else _own.owed
        if not _own.inside:
            torch.set_num_threads(1)
        _users += 1
        _own.inside += 1


def _leave() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        _own.inside -= 1
        if not _users:
            torch.set_num_threads(_usual)
            _own.owed = None
        elif not _own.inside:
            _own.owed = _usual
