"""The compute process is killed under people who work: their recipes stay, each is told once, the next click works."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import signal
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks._visitor import visit
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.sessions import Session, served
from qdebug.jobs.runtime import Runtime
from qdebug.recipes import dumps, preset

SESSIONS = 8
SAID = "started again"


def keep(allowance: Allowance) -> Outcome:
    """Kill it at drawn moments, in the middle of the sessions' clicks or between them."""
    broken: list[str] = []
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-") as name, served(Path(name)) as (address, _):
        broken += visit(_killed_again(address, Runtime(Path(name, "runtime")), allowance, took))
    figures = {"sessions": SESSIONS, "median s until all have their score": statistics.median(took)}
    return Outcome(len(took), tuple(broken), figures)


async def _killed_again(address: str, runtime: Runtime, allowance: Allowance, took: list[float]) -> list[str]:
    sessions = [Session(address) for _ in range(SESSIONS)]
    await asyncio.gather(*(_come(one) for one in sessions))
    broken: list[str] = []
    fresh = itertools.cycle(_presets(allowance.dice()))
    for number in allowance.rounds():
        dice = allowance.dice(number)
        told = [_told(one) for one in sessions]
        for one in sessions:
            one.problems.clear()
        first, last = next(fresh), next(fresh)
        start = time.monotonic()
        clicks = [_click(one, first, dice.uniform(0, 0.3)) for one in sessions]
        seen = asyncio.gather(*clicks)
        await asyncio.sleep(dice.uniform(0, 0.6))
        _kill(runtime)
        said = await seen
        took.append(time.monotonic() - start)
        said = [one or other for one, other in zip(said, await _all_click(sessions, last), strict=True)]
        for place, one in enumerate(sessions):
            what = said[place] or judged(one.recipe, recipe_name(last), _told(one) - told[place], one.problems)
            broken += [f"kill {number}: session {place}: {what}"] if what else []
    await asyncio.gather(*(one.leave() for one in sessions))
    return broken


async def _come(one: Session) -> None:
    await one.enter("layers")
    await one.scored()


async def _all_click(sessions: list[Session], preset: str) -> list[str]:
    return list(await asyncio.gather(*(_click(one, preset, 0.0) for one in sessions)))


def _presets(dice: random.Random) -> list[str]:
    """More than the server remembers answers to: each is work for the compute process when its turn comes."""
    found = [f"w{w}a{a}{more}" for w in range(3, 9) for a in range(3, 9) for more in ("", "-pc") if (w, a) != (8, 8)]
    dice.shuffle(found)
    return found


def recipe_name(name: str) -> str:
    """What an address calls a preset's recipe."""
    return hashlib.blake2b(dumps(preset(name)).encode(), digest_size=8).hexdigest()


def judged(recipe: str, expected: str, told: int, errors: list[str]) -> str:
    """What is wrong with a session after a kill, in words; empty where nothing is."""
    if errors:
        return errors[0]
    if recipe != expected:
        return f"its recipe is {recipe or 'the first one'}, not {expected or 'the first one'}"
    return "" if told == 1 else f"it was told {told} times"


async def _click(one: Session, name: str, after: float) -> str:
    """Choose, wait for the score, and have the page drawn once more: what is told, is told in a run that begins."""
    await asyncio.sleep(after)
    try:
        await one.choose(name)
        await one.scored()
        await one.again()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
        return f"{type(error).__name__}: {error}"
    return ""


def _told(one: Session) -> int:
    return sum(SAID in body for body in one.toasts)


def _kill(runtime: Runtime) -> None:
    endpoint = runtime.read()
    with suppress(ProcessLookupError):
        if endpoint is not None:
            os.kill(endpoint.pid, signal.SIGKILL)


PROMISE = Promise(
    name="compute_death",
    says="The compute process may die; work is not lost",
    unit="kills",
    test="tests/promises/test_compute_death.py",
    short=20,
    long=500,
    keep=keep,
)
