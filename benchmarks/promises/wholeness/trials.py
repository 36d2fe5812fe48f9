"""Faults tried on what qdebug keeps: ``python -m benchmarks.promises.wholeness.trials``, a process of its own.

It forks, so it holds one thread; it prints the outcome as JSON.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.promises.system_calls import Ended, Fault, can_fail, run
from benchmarks.promises.wholeness.phase import Files, Phase, files, rest, torn

ERRORS = (errno.ENOSPC, errno.EIO)


@dataclass(frozen=True)
class Known:
    """A phase, what lay there before it, what lies there after it, and how many calls each kind of fault can hit."""

    phase: Phase
    template: Path
    older: Files
    newer: Files
    calls: dict[int | None, int]


def learn(phase: Phase, folder: Path) -> Known:
    """See what the phase does when nothing goes wrong."""
    template, whole = folder / "template", folder / "whole" / "here"
    template.mkdir(parents=True)
    _well(run(lambda: _quietly(phase.before, template), template, None), phase)
    older = files(template)
    shutil.copytree(template, whole)
    ended = run(lambda: _quietly(phase.write, whole), whole, None)
    _well(ended, phase)
    calls: dict[int | None, int] = {kind: sum(can_fail(name, kind) for name in ended.met) for kind in (None, *ERRORS)}
    phase.check(whole)
    return Known(phase, template, older, files(whole), calls)


def attempt(known: Known, fault: Fault, folder: Path) -> tuple[str, bool]:
    """One fault.

    Returns:
        What was broken, or nothing; and whether the fault was met.
    """
    here = folder / "here"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(known.template, here)
    phase = known.phase
    ended = run(lambda: _quietly(phase.write, here), here, fault)
    sentence = _judged(known, fault, ended, here)
    if not sentence and (phase.is_database or _differing(known, here)):
        again = run(lambda: _quietly(phase.write, here), here, None)
        try:
            _well(again, phase)
            phase.check(here)
            late = "" if phase.is_database else _differing(known, here)
            sentence = late and f"written again, {late}"
        except (AssertionError, RuntimeError) as error:
            sentence = f"written again: {error}"
    return (f"{phase.name}, {fault}: {sentence}" if sentence else ""), ended.hit


def _judged(known: Known, fault: Fault, ended: Ended, here: Path) -> str:
    said = ended.said
    failed = isinstance(said, dict) and "error" in said
    if failed and not said["typed"]:
        return f"{said['error']}: {said['text']}"
    if not failed and said is None and fault.error is not None:
        return "the process ended"
    try:
        known.phase.check(here)
    except AssertionError as error:
        return str(error)
    if known.phase.is_database:
        return ""
    if sentence := torn(known.phase, known.older, known.newer, files(here)):
        return sentence
    # What a disk that stays broken lets nobody put back lies aside; a full one, or one that is back, leaves nothing.
    if failed and not (fault.lasting and fault.error == errno.EIO):
        left = rest(here)
        kept = torn(known.phase, known.older, known.older, {n: d for n, d in files(here).items() if n in known.older})
        return f"{left[0]} was left" if left else kept
    return ""


def _differing(known: Known, here: Path) -> str:
    found = files(here)
    return next((f"{name} differs" for name in known.newer if found.get(name) != known.newer[name]), "")


def _quietly(act: object, folder: Path) -> str:
    act(folder)  # type: ignore[operator]
    return "done"


def _well(ended: Ended, phase: Phase) -> None:
    if ended.said != "done":
        raise RuntimeError(f"{phase.name} fails with nothing in its way: {ended.said}")


def faults(known: list[Known], kills: int, dice: random.Random) -> Iterator[tuple[Known, Fault]]:
    """So many kills, over all phases in turn; then every call failing with every error, once and from there on."""
    for place in range(kills):
        one = known[place % len(known)]
        yield one, Fault(dice.randrange(one.calls[None]))
    rounds = [
        (one, Fault(at, error, lasting))
        for one in known
        for error in ERRORS
        for lasting in (False, True)
        for at in range(one.calls[error])
    ]
    dice.shuffle(rounds)
    yield from rounds


def main(kills: int, errors: int, seed: str, seconds: float | None, phases: str) -> dict[str, object]:
    """Try.

    Args:
        kills: how many.
        errors: how many failing calls are tried at most.
        seed: what is drawn comes from it.
        seconds: after which nothing further is begun.
        phases: what lists them, ``module:function``.
    """
    module, _, function = phases.partition(":")
    listed = getattr(import_module(module), function)
    dice, until = random.Random(seed), None if seconds is None else time.monotonic() + seconds
    counts: Counter[str] = Counter()
    broken = []
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-") as name:
        place = Path(name)
        (place / "aside").mkdir()
        known = [learn(phase, place / str(number)) for number, phase in enumerate(listed(place / "aside"))]
        for one, fault in faults(known, kills, dice):
            kind = "kills" if fault.error is None else "failing calls"
            if counts["failing calls"] == errors or (until and sum(counts.values()) and time.monotonic() > until):
                break
            sentence, hit = attempt(one, fault, place / "try")
            counts[kind] += hit
            broken += [sentence] if sentence else []
    return {"counts": counts, "broken": broken, "phases": [one.phase.name for one in known],
            "calls": sum(one.calls[None] for one in known)}  # fmt: skip


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(main(**asked)))
