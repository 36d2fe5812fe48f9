"""Keeping a library in C from writing to the standard output, on which the command line puts one JSON object."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator


class _Stream:
    """C's standard output, and one that leads nowhere."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.real: int | None = None
        self.nowhere: int | None = None
        self.variable = _variable()

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            if self.variable is not None and self.inside == 1:
                self.nowhere = self.nowhere or _nowhere()
                self.real, self.variable.value = self.variable.value, self.nowhere

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.variable is not None and self.inside == 0:
                self.variable.value = self.real


def _variable() -> ctypes.c_void_p | None:
    """Where C keeps its standard output; None where its library is another one, or the system is Windows."""
    for name in ("stdout", "__stdoutp"):
        try:
            return ctypes.c_void_p.in_dll(ctypes.CDLL(None), name)
        except (AttributeError, OSError, TypeError, ValueError):
            continue
    return None


def _nowhere() -> int | None:
    """A C stream that drops everything."""
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    return libc.fopen(os.devnull.encode(), b"w")


_STREAM = _Stream()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within this, what C's ``printf`` writes is dropped; what Python writes is not, in whatever thread.

    HiGHS 1.12, which SciPy 1.17 brings, prints a line of its own when it repairs a solution, whatever its options say
    (github.com/jump-dev/HiGHS.jl/issues/312). C's stream is swapped for one that leads nowhere, rather than file
    descriptor 1, which Python's output shares. The stream's variable has a known name in glibc and on macOS; elsewhere
    nothing is done.
    """
    _STREAM.enter()
    try:
        yield
    finally:
        _STREAM.leave()
