"""Visitors come, look, choose and leave; neither the server nor the compute process keeps memory for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks._participants import PRESETS
from benchmarks._visitor import visit
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.sessions import Session, served
from benchmarks.workshop import resident
from qdebug.jobs.runtime import Runtime

FORGETFUL = ("--server.disconnectedSessionTTL=1", "--runner.postScriptGC=true")
"""What is no leak, but hides one: Streamlit keeps who has hung up for two minutes, 0.15 MB each, who may come back; and
Python looks for circles of garbage once in some twenty visits."""
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
"""Threads that take memory of arenas of their own, one after the other, look like growth for hundreds of visits."""
FIRST = 10
"""Visitors who fill what is shared among all that come later."""
MOST_MB = 0.1
"""Megabytes that a visitor may leave behind, in both processes each."""


def keep(allowance: Allowance) -> Outcome:
    """Let one visitor after another come; a visit is one try, those of the first ten included."""
    folder = tempfile.TemporaryDirectory(prefix="qdebug-promise-")
    with folder as name, served(Path(name), *FORGETFUL, **ONE_ARENA) as (address, pid):
        taken = visit(_visited(address, Runtime(Path(name, "runtime")), pid, allowance))
    grown = {name: growth([one[place] for one in taken]) for place, name in enumerate(("server", "compute process"))}
    broken = tuple(
        f"the {name} grows by {one:.2f} MB a visitor" for name, one in grown.items() if one > MOST_MB
    )  # fmt: skip
    figures = {f"{name} MB a visitor": one for name, one in grown.items()}
    return Outcome(len(taken), broken, figures | {"server MB": taken[-1][0], "compute process MB": taken[-1][1]})


async def _visited(address: str, runtime: Runtime, server: int, allowance: Allowance) -> list[tuple[float, float]]:
    taken: list[tuple[float, float]] = []
    for number in range(allowance.times):
        if number > 2 * FIRST and allowance.spent():
            break
        one = Session(address)
        async with one.inside("layers"):
            await one.scored()
            for preset in PRESETS[1:]:
                await one.choose(preset)
                await one.scored()
        endpoint = runtime.read()
        assert endpoint is not None
        taken.append((resident(server), resident(endpoint.pid)))
    return taken


def growth(megabytes: list[float]) -> float:
    """Megabytes that a visitor adds after the first ten: the slope of the middle line (Theil 1950, Sen 1968).

    One visitor who has a process take memory once, as allocators do, is no growth.
    """
    after = megabytes[FIRST:]
    half = len(after) // 2
    slopes = sorted((after[at + half] - after[at]) / half for at in range(len(after) - half)) if half else [0.0]
    return slopes[len(slopes) // 2]


PROMISE = Promise(
    name="visitors",
    says="Memory does not grow with visitors",
    unit="visits",
    test="tests/promises/test_visitors.py",
    short=40,
    long=1000,
    keep=keep,
)
