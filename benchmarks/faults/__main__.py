"""How often the diagnosis names what was planted: ``python -m benchmarks.faults [--seeds 100-103] [--write]``.

Prints totals as JSON, and on standard error a line for each case. ``--write`` puts the table into docs/diagnosis.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.faults.judge import Outcome, outcome
from benchmarks.faults.plant import PLANTS
from benchmarks.faults.sound import MODELS
from benchmarks.faults.table import totals, write

TESTED = "100-103"
"""Not the seeds that the diagnosis was tuned on, which are 0 to 9."""


def main() -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seeds", default=TESTED, help=f"first-last (default: {TESTED})")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--plants", default="", help="parts of names, apart by commas; all if not said")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="put the table into docs/diagnosis.md")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    parts = [part.strip() for part in options.plants.split(",") if part.strip()]
    plants = [name for name in PLANTS if not parts or any(part in name for part in parts)]
    jobs = [(plant, model, seed) for model in options.models.split(",") for plant in plants for seed in seeds]
    # one process keeps to a model as far as that goes: opening it takes longer than a case
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        size = max(1, len(plants) * len(seeds) // 4)
        found = [one for one in pool.map(outcome, *zip(*jobs, strict=True), chunksize=size) if one is not None]
    for one in found:
        if not (one.layer and one.kind and one.mended):
            print(_missed(one), file=sys.stderr)
    print(json.dumps(totals(found), indent=2))
    if options.write:
        write(found, f"python -m benchmarks.faults --seeds {options.seeds}")
    return 0


def _missed(one: Outcome) -> str:
    causes = "; ".join(
        f"{cause.kind} in the {cause.tensor} of {cause.layer} ({cause.share:.2f}), "
        f"{cause.fix.method if cause.fix else 'no fix'} {cause.recovered:.2f}"
        for cause in one.found.causes[:2]
    )
    said = [word for word, right in (("layer", one.layer), ("kind", one.kind), ("fix", one.mended)) if not right]
    return f"{one.plant}, {one.model}, {one.seed}: {' and '.join(said)}; {one.recovered}; found {causes or 'nothing'}"


if __name__ == "__main__":
    sys.exit(main())
