"""The same input gives the same numbers: whoever computes them, on however many threads, after whatever else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.promises.promise import Allowance, Outcome, Promise

MODELS = ("digits-mobilenet", "digits-vit")
"""What a soak asks about; tests the first alone."""


def keep(allowance: Allowance) -> Outcome:
    """Ask the same questions in sessions that differ in threads, order and processes; a session is one try."""
    seconds = None if allowance.until is None else max(1.0, allowance.until - time.monotonic())
    asked = {
        "times": allowance.times,
        "seed": str(allowance.seed),
        "seconds": seconds,
        "models": MODELS if seconds else MODELS[:1],  # a soak asks about all
    }
    environment = {name: one for name, one in os.environ.items() if not name.endswith("_NUM_THREADS")}
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.promises.same_numbers.trials", json.dumps(asked)],
        cwd=Path(__file__).resolve().parents[3], env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    figures = {"answers": found["answers"], "differing bytes": found["differing"], **found["figures"]}
    return Outcome(found["tried"], tuple(found["broken"]), figures)


PROMISE = Promise(
    name="same_numbers",
    says="Same input, same numbers",
    unit="sessions",
    test="tests/promises/test_same_numbers.py",
    short=6,
    long=30,
    keep=keep,
)
