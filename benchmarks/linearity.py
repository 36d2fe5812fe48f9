"""Why predictions are off: too few random directions, or errors that do not add up. One thread. Prints JSON.

    python -m benchmarks.linearity [digits-mobilenet digits-vit ch_ppocr_mobile_v2.0_cls light_shufflenet …]

Every layer is measured alone in every format, with the change of each output value. *Spearman*: predictions along eight
directions instead of one or two against these, where chance is small and what is left is curvature. *Added up*: the
measured errors of single layers, summed over the layers of the random mixtures of ``benchmarks.sensitivity``, against
their measured errors; *superposed*: the same with the changes themselves, whose signs count. A prediction that rests on
single layers can hardly do better.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks import sensitivity as base
from qdebug.engine import Batch
from qdebug.recipes import FLOAT, LayerPlan, Recipe, parse_plan, set_layers
from qdebug.search.mix import Problem
from qdebug.search.mixed.problem import problem
from qdebug.search.mixed.wish import Wish, formats_of
from qdebug.search.predict.projections import Projections, mean_square
from qdebug.search.predict.projector import Projector
from qdebug.session import Session

DIRECTIONS = 8


def measure(session: Session) -> dict[str, object]:
    """All numbers of one model."""
    plans = [parse_plan(name) for name in base.FORMATS]
    weights, inputs = (dict.fromkeys(one) for one in zip(*((p.weight, p.activation) for p in plans), strict=True))
    projector = Projector(session, Recipe(), tuple(weights), tuple(inputs), turns=DIRECTIONS, seed=77)
    found = projector.project(projector.parts())
    wish = Wish(formats_of(("w32a32", *base.FORMATS)))
    task, size = problem(session, wish, found), base._output_square(session)
    sound, _ = base.drawn(session, wish, task, size, seed=4, count=base.RECIPES)
    squares, summed = _changes(session, task, plans, list(sound))
    exact = np.array(list(sound.values()))
    added = [sum(squares[k, f - 1] for k, f in enumerate(columns) if f) for columns in sound]
    return {
        "spearman": _spearman(found, task, plans, squares, size), "recipes": len(exact),
        "added_up": statistics.median(np.abs(np.array(added) / exact - 1).tolist()),
        "superposed": statistics.median(np.abs(summed / exact - 1).tolist()),
    }  # fmt: skip


def _changes(
    session: Session, task: Problem, plans: Sequence[LayerPlan], mixtures: Sequence[tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of single layers ``[layers, formats]``, and of the sums of their changes over each mixture."""
    names, count = list(task.names or ()), len(session.subject.data)
    squares, summed = np.zeros((len(names), len(plans))), np.zeros(len(mixtures))
    for batch in session.subject.eval_batches:
        alone = _alone(session, names, plans, batch)
        for (row, column), change in alone.items():
            squares[row, column] += float(np.square(change, dtype=np.float64).sum()) / count
        for place, columns in enumerate(mixtures):
            whole = sum(alone[row, column - 1] for row, column in enumerate(columns) if column)
            summed[place] += float(np.square(whole, dtype=np.float64).sum()) / count
    return squares, summed


def _alone(
    session: Session, names: Sequence[str], plans: Sequence[LayerPlan], batch: Batch
) -> dict[tuple[int, int], np.ndarray]:
    """What each layer in each format changes of a batch's outputs."""
    plain = session.output(Recipe(), batch)
    found = {}
    for row, layer in enumerate(session.subject.layers):
        for column, plan in enumerate(plans):
            own = LayerPlan(weight=plan.weight, activation=FLOAT if layer.kind == "embedding" else plan.activation)
            changed = session.output(set_layers(Recipe(), {names[row]: own}), batch) - plain
            found[row, column] = batch.real_rows(changed).numpy()
    return found


def _spearman(
    found: Projections, task: Problem, plans: Sequence[LayerPlan], squares: np.ndarray, size: float
) -> dict[str, float]:
    """Predicted along many directions against measured, of the layers that are not ruined."""
    told: dict[str, float] = {}
    for column, (name, plan) in enumerate(zip(base.FORMATS, plans, strict=True)):
        pairs = [
            (mean_square(found.of(layer, plan.weight, plan.activation)), squares[row, column])
            for row, layer in enumerate(task.names or ())
            if 0 < squares[row, column] < base.CATASTROPHIC * size
        ]
        told[name] = float(spearmanr(*zip(*pairs, strict=True))[0])
    return told


def main(names: Sequence[str]) -> dict[str, object]:
    """Measure the named models."""
    torch.set_num_threads(1)
    return {name: measure(base._opened(name)) for name in names}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or ["digits-mobilenet", "digits-vit"]), indent=2))
