"""Causes of a recipe that cannot even be worked out: NaN and Inf in weights, or in what calibration saw."""

from __future__ import annotations

from typing import Literal

import msgspec

from qdebug.engine import Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.recipes import Recipe
from qdebug.results import Cause, Remedy, Trial
from qdebug.search.diagnose.looks import values_of
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.tensors import reach
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
    first = bad[0][1]
    ranges = _evaluated(bench, [layer for layer, _ in seen.values()])
    return (_cause(bench, [layer for layer, _ in bad], "activation", (first.nan, first.inf), ranges),)


def _evaluated(bench: Bench, layers: list[Layer]) -> dict[str, list[float]]:
    """The limits of layers' inputs on the first evaluation data, zero included; of those that have finite ones."""
    found = {layer.name: reach(values_of(bench, layer.x, bench.subject.eval_batches[0])) for layer in layers}
    return {
        name: [min(one.rmin, 0.0), max(one.rmax, 0.0)]
        for name, one in found.items()
        if not (one.nan or one.inf) and one.rmin < one.rmax
    }


def _cause(
    bench: Bench, layers: list[Layer], tensor: Literal["weight", "activation"], counts: tuple[int, int],
    ranges: dict[str, list[float]],
) -> Cause:  # fmt: skip
    names = tuple(layer.name for layer in layers)
    where = {"layers": list(names), "tensor": tensor}
    everywhere = {"layers": list(ranges), "tensor": tensor, "ranges": ranges}
    fixes = [Remedy(method="recalibrate", params=everywhere)] if ranges else []
    fixes.append(Remedy(method="keep-float", params=where))
    start = Start(None, float("inf"))
    trials: list[Trial] = []
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
