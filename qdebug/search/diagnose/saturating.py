"""Pairs of products that would not fit on the target. Not a part of the loss that is simulated: a risk beside it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from qdebug.recipes import Recipe, remedied
from qdebug.results import Cause, Metric, Remedy, Saturation, Trial
from qdebug.search.diagnose.places import Bench
from qdebug.search.diagnose.trials import lost
from qdebug.search.diagnose.words import sentence, summed
from qdebug.search.saturation import saturation

_BITS = 7


def is_for_integers(recipe: Recipe) -> bool:
    """Whether a recipe says all that an integer runtime wants; others leave no codes that could saturate."""
    return recipe.bias == "int32" and not recipe.between.is_float32


def saturating(bench: Bench, metric: Metric) -> tuple[Cause, ...]:
    """One cause for all layers with pairs that would be clipped, if there are any.

    Its fix is seven bits for their weights, tried on the whole recipe: ``recovered`` is the part of the pairs that fit
    then. It is given if the metric does not suffer.
    """
    found = sorted(_counts(bench, bench.recipe).items(), key=lambda one: -one[1].saturating)
    hit = [(name, one) for name, one in found if one.saturating]
    if not hit:
        return ()
    names, before = tuple(name for name, _ in hit), sum(one.saturating for _, one in hit)
    fix = Remedy(method="fewer-bits", params={"layers": list(names), "tensor": "weight", "bits": _BITS})
    changed = remedied(bench.recipe, fix.method, fix.params)
    after = bench.session.score(changed, bench.work).metric
    left = sum(one.saturating for one in _counts(bench, changed).values())
    trial = Trial(fix=fix, metric=after.quantized, recovered=1 - left / before)
    good = trial.recovered > 0 and (after.harmless or lost(after) <= lost(metric))
    evidence = {"pairs": hit[0][1].pairs, "saturating": hit[0][1].saturating, "saturating_in_all": before}
    text = sentence("saturation", "output", names[:1], evidence)
    cause = Cause(
        layer=names[0], layers=names, tensor="output", kind="saturation", share=0.0, evidence=evidence,
        fix=fix if good else None, metric_before=metric.quantized, metric_after=after.quantized if good else None,
        recovered=trial.recovered if good else 0.0, tried=(trial,), text="",
    )  # fmt: skip
    return (msgspec.structs.replace(cause, text=summed(text, cause, metric)),)


def _counts(bench: Bench, recipe: Recipe) -> dict[str, Saturation]:
    """By the layer's name."""
    decided = bench.session.decided(recipe, bench.work)
    names = {layer.node: layer.layer.name for layer in decided.layers}
    counted: Sequence[Saturation] = saturation(bench.session, decided, bench.work)
    return {names[one.layer]: one for one in counted}
