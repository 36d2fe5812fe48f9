"""Measure, and print the tables in Markdown: ``python -m benchmarks.orderings``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.orderings.cells import GROUPS, Cell
from benchmarks.orderings.claims import CLAIMS, Claim
from benchmarks.orderings.run import SEEDS, Found, measure
from qdebug.figures import numbers
from qdebug.places import workspace
from qdebug.results.score import is_fraction

TITLES = {
    "dfq": "Data-free quantization: equalization and bias correction",
    "adaround": "Rounding as a choice: AdaRound, AdaQuant, BRECQ",
    "gptq": "Language models: GPTQ, AWQ, and tables of 16 values",
    "smoothquant": "SmoothQuant's migration strength",
    "quip": "Two bits: incoherence",
}  # fmt: skip


HEAD = """# The papers' orderings, on the samples

Printed by `make table` (`python -m benchmarks.orderings`). Each seed draws three quarters of the calibration data, and
is the seed of fixes that draw; every fix has its parameters as they come unless they are named, and nothing is chosen
on the evaluation data."""


def table(found: Mapping[Cell, Found]) -> str:
    """A row for each cell: mean and standard deviation of the metric over seeds."""
    lines = [
        f"| sample | format | fixes | metric | float | mean ± sd of {len(SEEDS)} seeds | squared output error |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, one in found.items():
        scale, unit = (100, " %") if is_fraction(one.metric) else (1, "")
        value = f"{scale * one.mean:.2f} ± {scale * one.spread:.2f}{unit}"
        lines.append(
            f"| {cell.sample} | `{cell.format}`{'' if cell.range == 'minmax' else f', {cell.range} ranges'} "
            f"| {cell.fixes or 'none'} | {numbers.metric_title(one.metric)} "
            f"| {scale * one.float_:.2f}{unit} | {value} | {one.error:.3g} |"
        )
    return "\n".join(lines)


def verdicts(claims: Iterable[Claim]) -> str:
    """The papers' sentences, and whether they hold here."""
    return "\n".join(
        f"- {'**holds**' if one.holds else '**does not**'}: {one.text} ({one.numbers})"
        + (f" {one.why}" if one.why and not one.holds else "")
        for one in claims
    )


def main(arguments: list[str]) -> None:
    """Print every group, or those named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orderings")
    parser.add_argument("--only", nargs="*", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--kept", type=Path, default=workspace() / "orderings.jsonl", help="where cells are kept")
    options = parser.parse_args(arguments)
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    print(HEAD)
    for group in options.only:
        found = measure(GROUPS[group], options.kept)
        print(f"\n## {TITLES[group]}\n\n{verdicts(CLAIMS[group](found))}\n\n{table(found)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
