"""Many people at once: what a click takes among others, against one person alone on the same server just before."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._participants import Participant, among
from benchmarks._screen import served
from benchmarks.promises.promise import Allowance, Outcome, Promise
from qdebug.jobs import stop_worker

WARM, ALONE, SHORT = 10.0, 5.0, 15.0
"""Seconds until all that is looked at has been measured, for one person alone, and for all where no time is given."""
THINK, THINK_LONG = 1.0, 5.0
"""Seconds between a person's clicks on average, where no time is given and where it is."""
P95 = 1.0
"""Seconds that 95 of 100 clicks have to be answered within, where a time is given: a minute says too little."""


def keep(allowance: Allowance) -> Outcome:
    """As many people at once as there are times, until the time is over."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with served(folder / "log", folder / "run", QDEBUG_WORKSPACE=str(folder / "workspace")) as address:
            _there([Participant(address, think=THINK / 4)], WARM)  # what is looked at is measured once
            alone = [Participant(address, think=THINK / 4)]
            _there(alone, ALONE)
            seconds = SHORT if allowance.until is None else max(SHORT, allowance.until - time.monotonic())
            think = THINK if allowance.until is None else THINK_LONG
            crowd = [Participant(address, think=think) for _ in range(allowance.times)]
            _there(crowd, seconds)
        stop_worker(folder / "run")
    return judged(alone[0].seconds, crowd, is_long=allowance.until is not None)


def _there(people: list[Participant], seconds: float) -> None:
    with among(people):
        time.sleep(seconds)


def judged(alone: Sequence[float], crowd: Sequence[Participant], *, is_long: bool) -> Outcome:
    """What came of it.

    Args:
        alone: seconds of the clicks of one person alone.
        crowd: everybody, afterwards.
        is_long: whether the time was given; then clicks have to be answered within :data:`P95`. In short, a click may
            take as many times as long as alone as there are people: more would say that they wait for each other.
    """
    clicks = [seconds for one in crowd for seconds in one.seconds]
    broken = [f"person {place}: {error}" for place, one in enumerate(crowd) for error in one.problems]
    broken += [f"person {place} was answered no click" for place, one in enumerate(crowd) if not one.seconds]
    if len(clicks) < 2 or len(alone) < 2:
        return Outcome(len(crowd), (*broken, "there were no two clicks to compare"))
    middle, lonely = statistics.median(clicks), statistics.median(alone)
    p95 = statistics.quantiles(clicks, n=20)[-1]
    if is_long and p95 > P95:
        broken.append(f"95 of 100 clicks took up to {p95:.2f} s, more than {P95} s")
    if middle > len(crowd) * lonely:
        broken.append(f"a click took {middle:.3f} s in the middle, {lonely:.3f} s alone")
    figures = {"clicks": len(clicks), "ms alone": 1e3 * lonely, "ms among others": 1e3 * middle, "p95 ms": 1e3 * p95}
    return Outcome(len(crowd), tuple(broken), figures)


PROMISE = Promise(
    "crowd", "Thirty people at once", "people at once", "tests/promises/test_crowd.py", 8, 30, keep
)  # fmt: skip
