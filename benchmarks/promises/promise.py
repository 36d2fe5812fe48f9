"""A promise, how much of it is to be tried, and what came out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Allowance:
    """How much is tried: so many times, or until the time is over.

    Attributes:
        times: that are tried at most.
        seed: that every choice is drawn from.
        until: seconds of ``time.monotonic`` after which nothing further is begun; None is never.
    """

    times: int
    seed: int = 0
    until: float | None = None

    def spent(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() >= self.until

    def rounds(self):
        """Numbers of what is tried, from 0, until the times or the time are over; one is always tried."""
        for place in range(self.times):
            if place and self.spent():
                return
            yield place

    def dice(self, place: int = 0) -> random.Random:
        """Randomness of a round's own: the same for the same seed, whatever ran before it."""
        return random.Random(f"{self.seed}/{place}")


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        tried: how many times.
        broken: for each time that the promise was broken, a sentence that lets one try it again.
        figures: what was measured beside, by name with its unit (``"p95 ms"``).
    """

    tried: int
    broken: tuple[str, ...] = ()
    figures: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Promise:
    """One row of ``docs/promises.md``.

    Attributes:
        name: of its module.
        says: the promise in words that a user can hold us to.
        unit: what is tried (``"crafted files"``), for the table.
        test: the file of tests that tries it in short.
        short: how many times the tests try.
        long: how many times a soak tries.
        keep: tries it.
    """

    name: str
    says: str
    unit: str
    test: str
    short: int
    long: int
    keep: Callable[[Allowance], Outcome]
