"""Causes of a recipe that cannot even be worked out: NaN and Inf in weights, or in what calibration saw."""

from __future__ import annotations

from typing import Literal

import msgspec

from qdebug.calibrate import ActivationStats
from qdebug.engine import Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.recipes import Recipe
from qdebug.results import Cause, Remedy
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.trials import Start, best, tried
from qdebug.search.diagnose.words import sentence, with_fix
from qdebug.session import Session


def broken(session: Session, recipe: Recipe, work: Work) -> tuple[Cause, ...]:
    """NaN and Inf where the recipe wants numbers; of those behind one another the first.

    Args:
        session: the model with its data.
        recipe: a recipe that was refused for its numbers.
        work: progress and cancel.
    """
    bench = Bench(session, recipe, work)
    weights = [
        layer for layer in session.subject.layers
        if layer.step in session.subject.broken_weights and _is_scaled(recipe, layer, "weight")
    ]  # fmt: skip
    if weights:
        counts = [session.subject.broken_weights[layer.step] for layer in weights]
        return (_cause(bench, weights, "weight", counts[0], {}),)
    seen = {
        layer.name: (layer, session.preparer.stats(bench.reference.overlay, layer, work))
        for layer in session.subject.layers
        if layer.kind != "embedding" and _is_scaled(recipe, layer, "activation")
    }
    bad = [(layer, stats) for layer, stats in seen.values() if stats.nan or stats.inf]
    if not bad:
        return ()
    ranges = {layer.name: [min(stats.low, 0.0), max(stats.high, 0.0)] for layer, stats in bad if _has_range(stats)}
    first = bad[0][1]
    return (_cause(bench, [layer for layer, _ in bad], "activation", (first.nan, first.inf), ranges),)


def _cause(
    bench: Bench, layers: list[Layer], tensor: Literal["weight", "activation"], counts: tuple[int, int],
    ranges: dict[str, list[float]],
) -> Cause:  # fmt: skip
    names = tuple(layer.name for layer in layers)
    where = {"layers": list(names), "tensor": tensor}
    fixes = [Remedy(method="recalibrate", params={**where, "ranges": ranges})] if len(ranges) == len(names) else []
    fixes.append(Remedy(method="keep-float", params=where))
    start = Start(None, float("inf"))
    trials: list = []
    for fix in fixes:
        trials.append(tried(bench, start, fix))
        if trials[-1].recovered:
            break
    chosen = best(trials)
    evidence = {"nan": counts[0], "inf": counts[1]}
    kind: Literal["nan", "inf"] = "nan" if counts[0] else "inf"
    cause = Cause(
        layer=names[0], layers=names, tensor=tensor, kind=kind, share=1.0, evidence=evidence,
        fix=chosen.fix if chosen else None, metric_before=None, metric_after=chosen.metric if chosen else None,
        recovered=chosen.recovered if chosen else 0.0, tried=tuple(trials), text="",
    )  # fmt: skip
    metric = bench.session.score(Recipe(), bench.work).metric
    text = sentence(kind, tensor, names, evidence)
    return msgspec.structs.replace(cause, text=with_fix(text, cause, metric))


def _is_scaled(recipe: Recipe, layer: Layer, tensor: str) -> bool:
    plan = getattr(recipe.plan_for(layer.name, layer.kind), tensor)
    return not plan.is_float32 and not find(plan.format).is_cast


def _has_range(stats: ActivationStats) -> bool:
    return stats.finite > 0 and (stats.low < 0 or stats.high > 0)
