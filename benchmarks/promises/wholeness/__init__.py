"""Whatever is written is whole or absent: killed at any system call, on a disk that is full or broken at any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.system_calls import is_possible

PHASES = "benchmarks.promises.wholeness.phases:phases"


def keep(allowance: Allowance) -> Outcome:
    """As many kills, and as many failing calls."""
    return tried(allowance, PHASES)


def tried(allowance: Allowance, phases: str) -> Outcome:
    """Try what ``phases`` (``module:function``) lists, in a process of its own, which forks."""
    if not is_possible():
        return Outcome(0, (), {"left out": "no way to listen to system calls here"})
    seconds = None if allowance.until is None else max(1.0, allowance.until - time.monotonic())
    asked = {
        "kills": allowance.times, "errors": allowance.times, "seed": str(allowance.seed), "seconds": seconds,
        "phases": phases,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.promises.wholeness.trials", json.dumps(asked)],
        cwd=Path(__file__).resolve().parents[3], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    figures = {
        "failing calls": found["counts"].get("failing calls", 0), "phases": len(found["phases"]),
        "calls that change files": found["calls"],
    }  # fmt: skip
    return Outcome(found["counts"].get("kills", 0), tuple(found["broken"]), figures)


PROMISE = Promise(
    name="wholeness",
    says="An export, a recipe, a workspace is whole or absent",
    unit="kills",
    test="tests/promises/test_wholeness.py",
    short=40,
    long=1000,
    keep=keep,
)
