"""Whatever takes long can be cancelled, and leaves no process behind."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.promises.promise import Allowance, Outcome, Promise

JOBS = "benchmarks.promises.cancel.jobs:jobs"
BOUND = 2.0
"""Seconds from a cancel to the end of the work. A soak counts what is slower as broken; tests assert no time."""


def keep(allowance: Allowance) -> Outcome:
    """Cancel jobs of every kind at drawn moments."""
    return tried(allowance, JOBS)


def tried(allowance: Allowance, jobs: str, leaving: float = 10.0) -> Outcome:
    """Cancel what ``jobs`` (``module:function``) lists, in a process of its own; ``leaving`` is seconds for its
    children to go."""
    seconds = None if allowance.until is None else max(1.0, allowance.until - time.monotonic())
    asked = {
        "times": allowance.times,
        "seed": str(allowance.seed),
        "seconds": seconds,
        "jobs": jobs,
        "leaving": leaving,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.promises.cancel.trials", json.dumps(asked)],
        cwd=Path(__file__).resolve().parents[3], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    took, broken = found["took"], list(found["broken"])
    slowest = max(found["longest"], key=found["longest"].get)
    if allowance.until is not None:
        late = {name: most for name, most in found["longest"].items() if most > BOUND}
        broken += [f"{name}: {most:.1f} s until it ended, at {found['where'][name]}" for name, most in late.items()]
    figures = {
        "slowest s": max(took), "which": slowest, "kinds of jobs": len(found["longest"]),
        **({"p95 s": statistics.quantiles(took, n=20)[-1]} if len(took) > 1 else {}),
    }  # fmt: skip
    return Outcome(len(took), tuple(broken), figures)


PROMISE = Promise(
    name="cancel",
    says="Cancel works: within 2 s, and no process is left",
    unit="cancels",
    test="tests/promises/test_cancel.py",
    short=20,
    long=500,
    keep=keep,
)
