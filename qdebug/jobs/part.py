"""The newest partial answer of a job: shown as often as it grows, encoded as often as somebody looks. Torch-free."""

from __future__ import annotations

import secrets
import threading
import time

import msgspec

EVERY = 0.25
"""Seconds between two encodings: a job may show a thousand parts a second, and nobody can read them."""

LARGEST = 16 * 2**20
"""Bytes of a part beyond which it is not shown; the answer comes all the same."""


class Part:
    """Where a job leaves what it knows so far. Safe between the thread that works and those that poll.

    Args:
        every: seconds between two encodings at least.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._lock = threading.Lock()
        #: Marks of two jobs are never the same, so a job that was started anew has always something newer.
        self._name = secrets.token_hex(4)
        self._shown: object | None = None
        self._encoded: bytes = b""
        self._number = 0
        self._when = -every

    def show(self, value: object) -> None:
        """Replace what was shown before. Called from the thread that works."""
        with self._lock:
            self._shown = value

    def newer_than(self, seen: str) -> tuple[bytes, str]:
        """The newest part, encoded, and its mark; no bytes where ``seen`` is that mark or there is no part."""
        with self._lock:
            now = time.monotonic()
            if self._shown is not None and now - self._when >= self._every:
                encoded = msgspec.msgpack.encode(self._shown)
                self._encoded = encoded if len(encoded) <= LARGEST else b""
                self._number, self._when, self._shown = self._number + 1, now, None
            mark = f"{self._name}-{self._number}" if self._number else ""
            return (b"" if seen == mark else self._encoded), mark
