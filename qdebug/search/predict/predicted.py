"""Projections as rows of a table, and as the predicted error of a whole recipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.intervals import mean
from qdebug.recipes import FLOAT, LayerPlan, Recipe
from qdebug.results import SensitivityRow
from qdebug.search.predict.projections import Floats, Projections, per_sample


def rows(found: Projections, formats: Sequence[tuple[str, LayerPlan]]) -> list[SensitivityRow]:
    """One row for each format and layer; without a prediction where a layer cannot have the format, or is not reached.

    Args:
        found: the projections.
        formats: name and plan of each.
    """
    return [_row(found, layer, name, plan) for name, plan in formats for layer in found.layers]


def _row(found: Projections, layer: str, name: str, plan: LayerPlan) -> SensitivityRow:
    both, weight, activation = (
        error(found, found.of(layer, *pair))
        for pair in ((plan.weight, plan.activation), (plan.weight, FLOAT), (FLOAT, plan.activation))
    )
    if not found.reached[found.places[layer]] or not np.isfinite(both).all():
        return SensitivityRow(layer=layer, format=name)
    return SensitivityRow(
        layer=layer, format=name, predicted=float(both.mean()), predicted_ci95=mean(both),  # the directions are drawn
        weight=float(weight.mean()), activation=float(activation.mean()),
    )  # fmt: skip


def error(found: Projections, projected: Floats) -> NDArray[np.float64]:
    """The error of each sample in the projections' own measure: a divergence is half the mean square."""
    return per_sample(projected) / (2 if found.measure == "kl" else 1)


def of_recipe(found: Projections, recipe: Recipe, kinds: dict[str, str]) -> Floats:
    """The projections ``[directions, samples]`` of a whole recipe: the sum over its layers.

    Args:
        found: the projections.
        recipe: formats among those that were looked at.
        kinds: the kind of each layer.
    """
    total = np.zeros(found.weight.shape[2:], np.float32)
    for layer in found.layers:
        plan = recipe.plan_for(layer, kinds[layer])
        total = total + found.of(layer, plan.weight, plan.activation if kinds[layer] != "embedding" else FLOAT)
    return total
