"""Cells, measured with every seed, and kept as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from msgspec.structs import replace

import qdebug
from benchmarks.orderings.cells import Cell
from qdebug.doors import load_sample
from qdebug.recipes import Fix, Recipe, parse_fix, parse_format, with_fix
from qdebug.session import Session

SEEDS = (0, 1, 2)
PART = 0.75
"""Of the calibration data, drawn anew for each seed."""


@dataclass(frozen=True)
class Found:
    """What a cell gave: the metric and the squared output error per sample, one for each seed."""

    metric: str
    float_: float
    values: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the metric."""
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """The mean squared output error."""
        return float(np.mean(self.errors))

    @property
    def spread(self) -> float:
        """The metric's standard deviation, of a sample of seeds."""
        return float(np.std(self.values, ddof=1))


def measure(cells: Sequence[Cell], kept: Path) -> dict[Cell, Found]:
    """Every cell with every seed; what the file holds already is not measured again."""
    known = _read(kept)
    for seed in SEEDS:
        for cell in cells:
            recipe = _recipe(cell, seed)
            key = f"{cell.sample} {seed} {recipe.digest} {qdebug.__version__}"
            if key not in known:
                known[key] = _one(cell, recipe, seed)
                with kept.open("a") as file:
                    file.write("\n" + json.dumps({"key": key, **asdict(cell), **known[key]}))
    return {cell: _together(cell, known) for cell in cells}


def _one(cell: Cell, recipe: Recipe, seed: int) -> dict[str, object]:
    session, start = _session(cell.sample, seed), time.perf_counter()
    metric = session.evaluate(recipe).metric
    error = float(session.errors(recipe, session.subject.eval_batches).mean())
    seconds = time.perf_counter() - start
    print(f"{cell} seed {seed}: {metric.quantized:.4f} in {seconds:.0f} s", file=sys.stderr, flush=True)
    return {"metric": metric.name, "float": metric.float_, "value": metric.quantized, "error": error}


def _together(cell: Cell, known: Mapping[str, Mapping[str, object]]) -> Found:
    rows = [known[f"{cell.sample} {seed} {_recipe(cell, seed).digest} {qdebug.__version__}"] for seed in SEEDS]
    values, errors = ([float(str(row[name])) for row in rows] for name in ("value", "error"))
    return Found(str(rows[0]["metric"]), float(str(rows[0]["float"])), tuple(values), tuple(errors))


@lru_cache(maxsize=1)
def _session(name: str, seed: int) -> Session:
    sample = load_sample(name)
    count = len(next(iter(sample.calib.values())))
    places = np.sort(np.random.default_rng(seed).permutation(count)[: int(PART * count)])
    return qdebug.open(name, sample.data, {key: values[places] for key, values in sample.calib.items()})


def _recipe(cell: Cell, seed: int) -> Recipe:
    plan = parse_format(cell.format)
    recipe = Recipe(default=replace(plan, weight=replace(plan.weight, range=cell.range)))
    for text in cell.fixes.split():
        recipe = with_fix(recipe, _seeded(parse_fix(text), seed))
    return recipe


def _seeded(fix: Fix, seed: int) -> Fix:
    return replace(fix, seed=seed) if "seed" in fix.__struct_fields__ else fix


def _read(kept: Path) -> dict[str, dict[str, object]]:
    if not kept.exists():
        return {}
    found = {}
    for line in kept.read_text().splitlines():
        with suppress(ValueError):  # a line that a killed run left unfinished
            row = json.loads(line)
            found[row["key"]] = row
    return found
