"""How often somebody may try a join code: codes are short, so that they can be read from a wall."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

SECONDS = 60.0
"""Within which wrong codes are counted."""
MOST_HERE = 10
"""Wrong codes from one address: a class behind one router has one."""
MOST = 100
"""Wrong codes from all addresses together. At that rate it takes a day to try one of 6,000 codes."""


class Tries:
    """Wrong codes of the last minute. Safe from any thread.

    Args:
        now: a clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wrong: deque[tuple[float, str]] = deque()

    def wait(self, address: str) -> float:
        """Seconds until an address may try again; 0 where it may now. A right code has to wait as well."""
        with self._lock:
            now = self._now()
            while self._wrong and self._wrong[0][0] <= now - SECONDS:
                self._wrong.popleft()
            here = [when for when, whose in self._wrong if whose == address]
            begins = [here[-MOST_HERE]] if len(here) >= MOST_HERE else []
            begins += [self._wrong[-MOST][0]] if len(self._wrong) >= MOST else []
            return max((when + SECONDS - now for when in begins), default=0.0)

    def wrong(self, address: str) -> None:
        """Note a wrong code."""
        with self._lock:
            self._wrong.append((self._now(), address))
            while len(self._wrong) > MOST * 2:
                self._wrong.popleft()


TRIES = Tries()
"""Those of this server."""
