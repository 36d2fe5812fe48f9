"""A memory of values under a byte budget: computed once, dropped cheapest to recompute first."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qdebug.results import CacheStats

Key = tuple[bytes, bytes]
"""What a value depends on, and the batch it was computed on."""

SHEETS = 3
"""How many whole sheets are worth holding: the float model, the recipe one edits, and half of two edits of it."""


@dataclass(slots=True)
class _Entry:
    value: Any
    size: int
    price: float
    priority: float


class Claim:
    """The right, and the duty, to compute a value that others may be waiting for."""

    def __init__(self, cache: ValueCache, key: Key) -> None:
        self._cache, self._key = cache, key

    def publish(self, value: Any, seconds: float) -> None:
        """Hand over the value; ``seconds`` is what it took and would take again."""
        self._cache._finish(self._key, value, seconds)

    def abandon(self) -> None:
        """Give the claim up; whoever waits will compute the value instead."""
        self._cache._finish(self._key, None, 0.0)


class ValueCache:
    """Values by key, safe from many threads.

    The value dropped first is the one with the lowest *recompute seconds per byte*, aged so that what nobody asks for
    goes in the end however dear it was (GreedyDual-Size; Cao and Irani 1997). Two threads that want the same value
    compute it once: the first gets a :class:`Claim`, the second waits for it.

    It holds no more than serves: an eighth of the budget, or ``SHEETS`` times what the largest sheet has stored so far
    where that is more, and never more than the budget. Values of recipes that nobody returns to make room for new ones
    long before the budget is full; their memory is used again, which costs far less than new memory from the system.

    Args:
        budget: bytes that may be held. A value larger than a quarter of it is never kept.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._largest = 0
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}
        self._pending: dict[Key, threading.Event | None] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._tick = 0
        self._age = 0.0
        self._bytes = self._hits = self._misses = self._evictions = 0

    @property
    def limit(self) -> int:
        """Bytes that are held before something is dropped."""
        return min(self.budget, max(self.budget // 8, SHEETS * self._largest))

    def make_room(self, stored: int) -> None:
        """Learn how many bytes one sheet has stored by now: as much, and some more, is worth holding."""
        self._largest = max(self._largest, stored)

    def get(self, key: Key) -> Any | None:
        """The value, or None."""
        with self._lock:
            return self._touch(key)

    def claim(self, key: Key, check: Callable[[], None] | None = None) -> Any | Claim:
        """The value, or a claim to compute it. Waits while another thread computes it.

        Args:
            key: the value's key.
            check: called while waiting; raises to give up.
        """
        while True:
            with self._lock:
                value = self._touch(key)
                if value is not None:
                    return value
                if key not in self._pending:
                    self._pending[key] = None
                    return Claim(self, key)
                event = self._pending[key]
                if event is None:  # an event only where somebody waits: most claims never need one
                    event = self._pending[key] = threading.Event()
            while not event.wait(0.05):
                if check:
                    check()

    def get_or_compute(self, key: Key, compute: Callable[[], Any], seconds: float | None = None) -> Any:
        """The value, computed by ``compute`` if nobody has yet."""
        got = self.claim(key)
        if not isinstance(got, Claim):
            return got
        try:
            start = time.perf_counter()
            value = compute()
        except BaseException:
            got.abandon()
            raise
        got.publish(value, time.perf_counter() - start if seconds is None else seconds)
        return value

    def stats(self) -> CacheStats:
        """How full the cache is and how well it serves."""
        with self._lock:
            return CacheStats(
                bytes=self._bytes, budget=self.budget, entries=len(self._entries), hits=self._hits,
                misses=self._misses, evictions=self._evictions,
            )  # fmt: skip

    def clear(self) -> None:
        """Forget everything that is held."""
        with self._lock:
            self._entries.clear()
            self._heap.clear()
            self._bytes = 0

    def _touch(self, key: Key) -> Any | None:
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        entry.priority = self._age + entry.price  # the heap keeps the old, lower one: _evict puts it right when met
        return entry.value

    def _finish(self, key: Key, value: Any, seconds: float) -> None:
        with self._lock:
            event = self._pending.pop(key, None)
            if value is not None and key not in self._entries:
                self._admit(key, value, seconds)
        if event:
            event.set()

    def _admit(self, key: Key, value: Any, seconds: float) -> None:
        size = nbytes(value)
        if size > min(self.limit, self.budget // 4):
            return
        self._evict(self.limit - size)
        price = seconds / max(size, 1)
        self._entries[key] = _Entry(value, size, price, self._age + price)
        self._push(key)
        self._bytes += size

    def _push(self, key: Key) -> None:
        self._tick += 1
        heapq.heappush(self._heap, (self._entries[key].priority, self._tick, key))

    def _evict(self, room: int) -> None:
        while self._bytes > room and self._heap:
            priority, _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.priority > priority:
                self._push(key)
                continue
            self._age = priority
            self._bytes -= entry.size
            self._evictions += 1
            del self._entries[key]


def nbytes(value: Any) -> int:
    """Bytes that a value keeps alive: a tensor's whole storage, the sum over a tuple, a small constant otherwise."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, (tuple, list)):
        return sum(nbytes(item) for item in value)
    return 64
