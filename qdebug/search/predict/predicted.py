"""Projections as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.intervals import mean
from qdebug.recipes import FLOAT, LayerPlan
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
    """The error of each sample in the projections' own measure, of one layer or of a sum over layers.

    A squared error is the mean square over directions, a divergence half of that. A change of the loss is the first
    direction, the loss's own gradient, plus the half of that over the others.
    """
    if found.measure == "loss":
        return projected[0].astype(np.float64) + per_sample(projected[1:]) / 2
    return per_sample(projected) / (2 if found.measure == "kl" else 1)
