"""A sweep that is killed goes on where it was, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.system_calls import is_possible


def keep(allowance: Allowance) -> Outcome:
    """Kill sweeps at drawn writes of their journal, in a process of its own, which forks."""
    if not is_possible():
        return Outcome(0, (), {"left out": "no way to listen to system calls here"})
    seconds = None if allowance.until is None else max(1.0, allowance.until - time.monotonic())
    asked = {"times": allowance.times, "seed": str(allowance.seed), "seconds": seconds}
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.promises.resume.trials", json.dumps(asked)],
        cwd=Path(__file__).resolve().parents[3], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    figures = {"writes that a sweep may die at": found["writes"], "kept of a killed sweep": found["kept"]}
    return Outcome(found["tried"], tuple(found["broken"]), figures)


PROMISE = Promise(
    name="resume",
    says="A killed sweep resumes to the same bytes",
    unit="kills",
    test="tests/promises/test_resume.py",
    short=5,
    long=200,
    keep=keep,
)
