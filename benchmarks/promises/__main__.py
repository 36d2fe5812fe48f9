"""Runs the promises one after another, shares the minutes among them, and prints the table."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.table import markdown
from qdebug.whole import write_file

NAMES = (
    "execution", "mutants", "paths", "bombs", "wholeness", "resume", "compute_death", "same_numbers", "privacy",
    "crowd", "cancel", "visitors", "names", "pathology", "errors",
)  # fmt: skip
"""Of the table."""
MARK = "<!-- the table of the last soak -->"


def main(names: list[str], minutes: float, seed: int) -> dict[str, tuple[Promise, Outcome, float]]:
    """Try the named promises; what one does not need of its share goes to those after it.

    Returns:
        By name: the promise, what came out, and the seconds it took.
    """
    end = time.monotonic() + 60 * minutes
    found: dict[str, tuple[Promise, Outcome, float]] = {}
    for place, name in enumerate(names):
        promise: Promise = import_module(f"benchmarks.promises.{name}").PROMISE
        start = time.monotonic()
        share = max(end - start, 0) / (len(names) - place)
        print(f"{name}: {promise.unit}, at most {share / 60:.1f} min", file=sys.stderr)
        outcome = promise.keep(Allowance(promise.long, seed, start + share))
        found[name] = promise, outcome, time.monotonic() - start
        for sentence in outcome.broken:
            print(f"{name}: broken: {sentence}", file=sys.stderr)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promises")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default=",".join(NAMES), help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--into", type=Path, help=f"put the table into this file, after the line {MARK}")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", file=sys.stderr)
    kept = main([one for one in asked.only.split(",") if one], asked.minutes, asked.seed)
    if asked.json:
        told = {
            name: {"tried": one.tried, "broken": one.broken, "figures": dict(one.figures), "seconds": took}
            for name, (_, one, took) in kept.items()
        }
        print(json.dumps(told))
    else:
        print(markdown(kept, asked.seed))
    if asked.into is not None:
        above, mark, _ = asked.into.read_text("utf-8").partition(MARK)
        write_file(asked.into, f"{above}{mark}\n\n{markdown(kept, asked.seed)}\n".encode())
    sys.exit(any(one.broken for _, one, _ in kept.values()))
