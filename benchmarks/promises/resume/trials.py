"""Sweeps killed and gone on with: ``python -m benchmarks.promises.resume.trials``. It forks, so it holds one thread."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.promises.system_calls import Fault, run
from qdebug.results import Sensitivity

MODEL, FORMATS = "digits-mobilenet", ("w4a8",)
LONGEST = 600.0


def digest(found: Sensitivity) -> str:
    """SHA-256 of all that a sweep says but for what things took."""
    rows = tuple(msgspec.structs.replace(row, seconds=0.0) for row in found.rows)
    plain = msgspec.structs.replace(found, rows=rows, seconds=0.0, forward_seconds=0.0, plan=None)
    return hashlib.sha256(msgspec.msgpack.encode(plain)).hexdigest()


def main(times: int, seed: str, seconds: float | None) -> dict[str, object]:
    """Try: kill a sweep, go on with its journal, hold the end against a sweep that was left alone."""
    import qdebug
    from qdebug.search.sensitivity import Question, sensitivity
    from qdebug.search.sweep.journal import Journal
    from qdebug.search.sweep.plan import How

    session, question = qdebug.open(MODEL), Question.of(list(FORMATS))

    def sweep(folder: Path) -> list[object]:
        found = sensitivity(session, question, "exact", how=How(journal=Journal(folder)))
        return [digest(found), found.plan.kept if found.plan else 0.0]

    dice, until = random.Random(seed), None if seconds is None else time.monotonic() + seconds
    broken, kept, tried = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-") as name:
        alone = Path(name, "alone")
        alone.mkdir()
        left = run(lambda: sweep(alone), alone, None, LONGEST)
        expected, writes = left.said[0], len(left.met)  # type: ignore[index]
        while tried < times and not (until and tried and time.monotonic() > until):
            folder = Path(name, str(tried))
            folder.mkdir(exist_ok=True)
            fault = Fault(dice.randrange(writes))
            if not run(lambda here=folder, at=fault: sweep(here), folder, fault, LONGEST).hit:
                continue  # it wrote less often this time, and has ended
            tried += 1
            again = run(lambda here=folder: sweep(here), folder, None, LONGEST).said
            if not isinstance(again, list) or again[0] != expected:
                broken.append(f"{fault} of {writes}: {again} in place of {expected}")
            else:
                kept += again[1] > 0
    return {"tried": tried, "broken": broken, "writes": writes, "kept": kept, "sha256": expected}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
