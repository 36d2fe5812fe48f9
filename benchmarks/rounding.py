"""What rounding by GPTQ and GPFQ leaves of a sample in few bits, beside rounding to nearest. Prints JSON.

    python -m benchmarks.rounding [SAMPLE] [--plans w4a16 …] [--fixes gptq …]

The metric of the evaluation data for each plan and fix, every fix with its parameters as they come. Nothing is chosen
on these data: ranges, Hessians and moments are those of the calibration data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import qdebug
from qdebug.recipes import parse_fix, preset, with_fix

PLANS = ("w4a16", "w3a16", "w4g32a16", "w3g32a16")
FIXES = ("gptq", "gptq:groups=updated", "gptq:act_order=true", "gpfq")


def main(arguments: list[str]) -> dict[str, object]:
    """The metric in float and for each plan and fix."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sample", nargs="?", default="pydoc-gpt")
    parser.add_argument("--plans", nargs="*", default=PLANS)
    parser.add_argument("--fixes", nargs="*", default=FIXES)
    options = parser.parse_args(arguments)
    session = qdebug.open(options.sample)
    found: dict[str, dict[str, float]] = {}
    for plan in options.plans:
        nearest = preset(plan)
        recipes = {"nearest": nearest, **{fix: with_fix(nearest, parse_fix(fix)) for fix in options.fixes}}
        for name, recipe in recipes.items():
            start = time.perf_counter()
            metric = session.evaluate(recipe).metric
            found.setdefault("float", {})[metric.name] = round(metric.float_, 4)
            found.setdefault(plan, {})[name] = round(metric.quantized, 4)
            seconds = time.perf_counter() - start
            print(f"{plan} {name}: {metric.quantized:.4f} in {seconds:.0f} s", file=sys.stderr, flush=True)
    return {options.sample: found}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))
