"""What each layer costs in each format, so that costs add up to the model's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qdebug.errors import RecipeError, UsageError
from qdebug.recipes import LayerPlan, Recipe, set_layers
from qdebug.results import LayerInfo, ModelInfo
from qdebug.search.mixed.wish import Wish, plan_of
from qdebug.targets import cost, energy, roofline, weight_bits


def costs(info: ModelInfo, wish: Wish, beside: NDArray[np.float64] | None = None) -> tuple[NDArray[np.float64], float]:
    """Costs ``[layers, formats]`` in the wish's unit, and what is paid whatever is chosen.

    Bits are bits per weight of the model: they add up to what ``evaluate`` reports. NaN where a platform refuses, or
    no time was measured.

    Args:
        info: the model.
        wish: the question.
        beside: what fixes keep beside the codes, in bits or bit-operations ``[layers, formats]``; see
            :func:`qdebug.search.mixed.beside.beside`. A weight that several layers share has it once for each.
    """
    plans = [[plan_of(layer, plan) for _, plan in wish.formats] for layer in info.layers]
    table = np.array(
        [[_cost(layer, plan, wish) for plan in row] for layer, row in zip(info.layers, plans, strict=True)]
    )
    more = np.zeros(table.shape) if beside is None else beside
    if wish.unit not in ("bits", "bytes"):
        return table + more, 0.0
    counted: set[str] = set()
    own = 0
    for place, layer in enumerate(info.layers):
        if layer.weight_name in counted:  # a weight that several layers share is stored once
            table[place] = 0.0
            continue
        counted.add(layer.weight_name or layer.name)
        own += math.prod(layer.weight_shape) * layer.weight_bits
    unit = 8.0 if wish.unit == "bytes" else float(max(info.params, 1))
    return (table + more) / unit, (info.float_bytes * 8 - own) / unit


def float_cost(info: ModelInfo, wish: Wish) -> float:
    """What the model costs in 32-bit floats, in the wish's unit: what a relative budget is a part of.

    Raises:
        UsageError: a layer's time is not known.
    """
    table, fixed = costs(info, replace(wish, formats=(("w32a32", LayerPlan()), *wish.formats)))
    whole = fixed + float(table[:, 0].sum())
    if math.isnan(whole):
        unknown = [layer.name for layer, row in zip(info.layers, table, strict=True) if math.isnan(row[0])]
        raise UsageError(
            f"What {unknown[0]} costs in float is not known, so no part of the whole can be a budget",
            do="Give the budget as a number. " + " ".join(wish.times.reasons if wish.times else ()),
        )
    return whole


def _cost(layer: LayerInfo, plan: LayerPlan, wish: Wish) -> float:
    if wish.unit in ("bits", "bytes"):
        return float(weight_bits(layer, plan))
    if wish.unit == "bops":
        return float(cost(layer, plan).bops)
    if wish.unit == "seconds" and wish.times is not None:
        return wish.times.seconds.get((layer.name, plan), math.nan)
    recipe = set_layers(Recipe(), {layer.name: plan})
    try:
        if wish.unit == "joules":
            return energy([layer], recipe, platform=wish.platform).joules
        assert wish.device is not None
        return roofline([layer], recipe, wish.device, platform=wish.platform).seconds
    except RecipeError:
        return math.nan


def allowed(layers: Sequence[LayerInfo], wish: Wish) -> NDArray[np.bool_]:
    """Which formats the platform runs, ``[layers, formats]``; all where none is asked."""
    platform = wish.platform
    return np.array([
        [platform is None or platform.refuses(layer, plan_of(layer, plan)) is None for _, plan in wish.formats]
        for layer in layers
    ])  # fmt: skip
