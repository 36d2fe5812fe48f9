"""What could help against a cause, mildest first. Proposes; what helps is measured elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qdebug.errors import QDebugError
from qdebug.formats import find
from qdebug.recipes import Recipe, remedied
from qdebug.recipes.check import check_tensor_plan
from qdebug.results import Remedy
from qdebug.results.diagnosis import CauseKind
from qdebug.search.diagnose.looks import Look
from qdebug.search.diagnose.places import Bench

_GROUP = 32


def cures(bench: Bench, kind: CauseKind, looks: Sequence[Look]) -> list[Remedy]:
    """Fixes to try against a cause, those first that cost least when the model runs; none that change nothing.

    Args:
        bench: the recipe.
        kind: the cause.
        looks: the places that show it, worst first.
    """
    found: list[Remedy] = []
    for one in _proposed(bench, kind, looks):
        if one not in found and _changes(bench.recipe, one, looks[0].place.side):
            found.append(one)
    return found


def last_resort(looks: Sequence[Look]) -> Remedy:
    """Leave the tensors in float: costs most, and helps if anything does."""
    if looks[0].place.side == "output":
        return Remedy(method="between-float", params={})
    return Remedy(method="keep-float", params=_where(looks))


def _where(looks: Sequence[Look]) -> dict[str, object]:
    return {"layers": [look.place.name for look in looks], "tensor": looks[0].place.side}


def _proposed(bench: Bench, kind: CauseKind, looks: Sequence[Look]) -> Iterator[Remedy]:
    where, side = _where(looks), looks[0].place.side
    if side == "output":  # one plan serves all values between layers: nothing but moving ranges treats one of them
        if kind in ("outlier-channels", "dead-channels"):
            yield from _moving(bench, looks)
        return
    match kind:
        case "uneven-weights":
            yield from _moving(bench, looks)
            yield Remedy(method="per-channel", params=where)
            yield Remedy(method="per-group", params={**where, "size": _GROUP})
        case "outlier-channels" | "dead-channels":
            yield from _moving(bench, looks)
            yield from _ranges(looks)
            yield Remedy(method="per-token", params=where)
        case "tight-range":
            yield Remedy(method="range:minmax", params=where)
            yield Remedy(method="range:mse", params=where)
        case "stretched-range" | "extreme-constant":
            yield from _ranges(looks)
        case "biased-error":
            yield Remedy(method="bias-correction", params={})
            yield Remedy(method="round-to-nearest", params=where)
        case "too-few-bits":
            yield from _more_bits(looks)
        case "fp16-overflow":
            yield from _moving(bench, looks)
            yield Remedy(method="format:bf16", params=where)
        case "calibration-mismatch":
            yield Remedy(method="recalibrate", params={**where, "ranges": evaluation_ranges(looks)})
            yield Remedy(method="dynamic", params=where)
        case _:
            return


def _moving(bench: Bench, looks: Sequence[Look]) -> Iterator[Remedy]:
    """Fixes that move ranges from one tensor to its neighbour, where the graph lets them reach one of the places."""
    everywhere = any(look.place.layer is None for look in looks)
    names = {look.place.name for look in looks}
    chained = {one.name for group in bench.subject.scale_groups if not group.refused for one in group.layers}
    normed = {layer.name for site in bench.subject.norm_sites if not site.refused for layer in site.layers}
    if names & chained or (everywhere and chained):
        yield Remedy(method="cle", params={})
        yield Remedy(method="cle,bias-correction", params={})
    if names & normed or (everywhere and normed):
        for alpha in (0.5, 0.7, 0.3):
            yield Remedy(method="smoothquant", params={"alpha": alpha})


def _ranges(looks: Sequence[Look]) -> Iterator[Remedy]:
    """Ranges that leave out a few values."""
    where = _where(looks)
    if any(look.place.plan.clip is not None for look in looks):
        yield Remedy(method="range:minmax", params=where)
    yield Remedy(method="range:mse", params=where)
    yield Remedy(method="range:percentile", params={**where, "percentile": 99.9})
    limits = {look.place.name: _limits(look) for look in looks}
    if all(low < high for low, high in limits.values()):
        yield Remedy(method="clip", params={**where, "ranges": limits})


def _limits(look: Look) -> list[float]:
    """The limits of the ordinary values, on evaluation and calibration data."""
    both = [look.values] if look.calibrated is None else [look.values, look.calibrated]
    return [min(one.low for one in both), max(one.high for one in both)]


def _more_bits(looks: Sequence[Look]) -> Iterator[Remedy]:
    where, form = _where(looks), find(looks[0].place.plan.format)
    if form.is_integer:
        for bits in (4, 6, 8):
            if bits > form.bits:
                yield Remedy(method="more-bits", params={**where, "bits": bits})
    if looks[0].place.side == "weight":
        yield Remedy(method="per-channel", params=where)
        yield Remedy(method="per-group", params={**where, "size": _GROUP})
    else:
        yield Remedy(method="per-token", params=where)


def evaluation_ranges(looks: Sequence[Look]) -> dict[str, list[float]]:
    """The limits of each layer's input on the first evaluation data, zero included."""
    return {look.place.name: [min(look.values.rmin, 0.0), max(look.values.rmax, 0.0)] for look in looks}


def _changes(recipe: Recipe, one: Remedy, side: str) -> bool:
    """Whether the recipe with the fix is another, and one that can be."""
    try:
        changed = remedied(recipe, one.method, one.params)
        for name in one.params.get("layers", ()):
            check_tensor_plan(getattr(changed.plan_for(name), side), side, name)
    except QDebugError:
        return False
    return changed.digest != recipe.digest
