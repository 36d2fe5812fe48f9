"""What trying a fix takes, against the estimate given before it is started. Prints a table, or JSON.

    python -m benchmarks.fix_times [--model M …] [--fix F …] [--preset P] [--iterations I] [--json]

Each fix is estimated and then tried in a session of its own, with an empty workspace, behind the score and the layers
without it, as on the screen. The columns are the estimate, what was measured and the first over the second: 1 is right.
``--iterations`` shortens what learns (0: as by default). Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypedDict

from msgspec.structs import replace

import qdebug
from qdebug.recipes import parse_fix, preset
from qdebug.recipes.fixes import Fix

MODELS = ("digits-resnet", "digits-mobilenet", "digits-vit", "pydoc-gpt")
FIXES = ("adaround", "brecq", "gptq", "awq", "smoothquant:search=true", "qat", "adaquant")


class Row(TypedDict):
    """Seconds of one fix on one model."""

    model: str
    fix: str
    estimated: float
    measured: float
    ratio: float


def main(arguments: Sequence[str]) -> list[Row]:
    """Measure every fix on every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--fix", nargs="+", default=FIXES)
    parser.add_argument("--preset", default="w4a8-pc")
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for model in options.model:
        for text in options.fix:
            fix = _shortened(parse_fix(text), options.iterations)
            rows.append(_row(model, options.preset, fix, text))
            if not options.json:
                print(_line(rows[-1]), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        worst = max(max(row["ratio"], 1 / row["ratio"]) for row in rows)
        print(f"furthest off: {worst:.2f} times")
    return rows


def _shortened(fix: Fix, iterations: int) -> Fix:
    return replace(fix, iterations=iterations) if iterations and hasattr(fix, "iterations") else fix


def _row(model: str, name: str, fix: Fix, text: str) -> Row:
    recipe = preset(name)
    with _empty_workspace():
        session = qdebug.open(model)
        session.score(recipe)
        session.layers(recipe)
        estimated = session.estimate_fix(recipe, fix).seconds
        start = time.perf_counter()
        session.try_fix(recipe, fix)
        measured = time.perf_counter() - start
    return Row(model=model, fix=text, estimated=estimated, measured=measured, ratio=estimated / measured)


@contextmanager
def _empty_workspace() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("QDEBUG_WORKSPACE")
        os.environ["QDEBUG_WORKSPACE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["QDEBUG_WORKSPACE"]
            else:
                os.environ["QDEBUG_WORKSPACE"] = before


def _line(row: Row) -> str:
    return f"{row['model']:18}{row['fix']:26}{row['estimated']:9.2f} s{row['measured']:9.2f} s{row['ratio']:7.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
