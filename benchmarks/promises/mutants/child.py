"""``python -P -m benchmarks.promises.mutants.child FOLDER PARENT SEED FIRST LAST``: reads one mutant after another.

It builds the walls of the confined reader around itself first, and an audit hook watches what it opens. What it says:
``> PLACE`` before each, ``! PLACE TEXT`` where something else came out than a file that opens or an error for people,
and in the end ``. MIB OPENED``: the most memory, and how many opened.
"""

from __future__ import annotations

import logging
import os
import random
import resource
import sys
import tempfile
import warnings
from pathlib import Path

from benchmarks.promises.mutants.kinds import KINDS, ROUND
from benchmarks.promises.watch import watched
from qdebug.doors.confined.limits import MIB, Limits
from qdebug.doors.confined.walls import confine
from qdebug.errors import QDebugError

LIMITS = Limits(memory=1024 * MIB, cpu=100_000, wall=100_000, result=256 * MIB)


def main(folder: Path, parent: int, seed: str, first: int, last: int) -> None:
    """Read the mutants from ``first`` to before ``last``."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is not for whoever listens
    tempfile.tempdir = str(folder)
    for name in KINDS:  # what the doors import is not the mutants' fault
        _one(name, random.Random(name), folder)
    confine(LIMITS, parent)
    opened = 0
    with watched([folder], folder / "nowhere") as watch:
        for place in range(first, last):
            print(f"> {place}", file=out, flush=True)
            found = _one(ROUND[place % len(ROUND)], random.Random(f"{seed}/{place}"), folder)
            opened += found == ""
            if found or watch.seen:
                print(f"! {place} {found or watch.seen[0]}", file=out, flush=True)
                watch.seen.clear()
        if not watch.count:
            print(f"! {last} the hook has seen nothing", file=out, flush=True)
    print(f". {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} {opened}", file=out, flush=True)


def _one(name: str, dice: random.Random, folder: Path) -> str | None:
    """None where the file was refused as it should be, empty where it opens, else what is wrong."""
    path = KINDS[name].make(dice, folder)
    try:
        KINDS[name].read(path)
    except QDebugError as error:
        return None if error.what and error.do else f"{name}: an error that does not say what to do: {error}"[:400]
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{name}: {type(error).__name__}: {error}".replace("\n", " ")[:400]
    return ""


if __name__ == "__main__":
    place, number, drawn, start, end = sys.argv[1:]
    main(Path(place), int(number), drawn, int(start), int(end))
    os._exit(0)  # what threads of libraries do meanwhile is no mutant's business
