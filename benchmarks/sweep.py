"""An exact sweep on one worker process and on two: ratio of times, and whether the bytes are the same. Prints JSON.

    python -m benchmarks.sweep [digits-mobilenet pydoc-gpt] [--layers N] [--repeats R]

Workers are started, and have measured one item, before the clock starts: what is compared is the sweep itself. Its
two ways are timed in turns and the least time of each counts, since others' load is noise. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import qdebug
from qdebug.engine import Work
from qdebug.engine.threads import one_thread
from qdebug.results import ModelRef
from qdebug.search.sensitivity import Question
from qdebug.search.sweep.bench import Bench, Task
from qdebug.search.sweep.items import items
from qdebug.search.sweep.pool import Pool
from qdebug.search.sweep.samples import Samples, identity
from qdebug.search.sweep.wire import Setup

CACHE = 1 << 30
FORMATS = ("w8a8", "w4a8", "w6a8", "w4a16")


def main(arguments: list[str]) -> dict[str, object]:
    """Measure the named samples."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=["digits-mobilenet", "pydoc-gpt"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    return {name: measure(name, options.repeats) for name in options.names}


def measure(name: str, repeats: int) -> dict[str, object]:
    """One sample's sweep in one process here, in one worker and in two."""
    with one_thread():
        session = qdebug.open(name)
        samples = Samples(session.subject)
        todo = items(session, Question.of(FORMATS), {}, False)
        last = len(samples.batches)
        tasks = [Task(place, item.recipe, item.base, 0, last) for place, item in enumerate(todo)]
        here = {task.number: Bench(session, samples).measure(task, Work()).numbers for task in tasks[:3]}
    setup = Setup(ModelRef(model=name), identity(session, samples))
    pools = {cores: Pool(setup, cores, CACHE * cores) for cores in (1, 2)}
    best = dict.fromkeys(pools, float("inf"))
    answers: dict[int, dict[int, bytes]] = {}
    try:
        for pool in pools.values():
            list(pool.run(tasks[: 4 * len(pools)], Work()))  # every worker has its float values
        for _ in range(repeats):
            for cores, pool in pools.items():
                start = time.perf_counter()
                answers[cores] = {answer.number: answer.numbers for answer in pool.run(tasks, Work())}
                best[cores] = min(best[cores], time.perf_counter() - start)
    finally:
        for pool in pools.values():
            pool.close()
    return {
        "items": len(tasks), "samples": samples.count, "seconds_one": best[1], "seconds_two": best[2],
        "one_over_two": best[1] / best[2], "same_bytes": answers[1] == answers[2],
        "same_as_here": all(answers[1][number] == numbers for number, numbers in here.items()),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))
