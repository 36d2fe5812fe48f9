"""Projected errors, and the predictions that are sums of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qdebug.recipes import TensorPlan
from qdebug.results.sensitivity import Measure

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Projections:
    """What every layer's error in every format does to the output, along random directions.

    A prediction is a mean of squares over directions and samples: for the ``squared`` measure of the output's squared
    change per sample, for ``kl`` of twice the divergence. For ``loss`` the first direction is the loss's own gradient,
    whose mean is the change to first order, and the others are as for ``kl``, twice what is added to second order.

    Attributes:
        layers: names, in the order of the graph.
        weights, activations: the formats.
        weight: float32 ``[layers, weight formats, directions, samples]``; NaN where a layer cannot have the format.
        activation: float32 ``[layers, activation formats, directions, samples]``; zeros where a layer has no input to
            quantize.
        points: steps whose values are quantized between layers.
        between: float32 ``[points, activation formats, directions, samples]``.
        reached: whether the output's gradient gets to the layer; where not, its zeros mean nothing.
        measure: what is predicted.
    """

    layers: tuple[str, ...]
    weights: tuple[TensorPlan, ...]
    activations: tuple[TensorPlan, ...]
    weight: Floats
    activation: Floats
    points: tuple[int, ...]
    between: Floats
    reached: NDArray[np.bool_]
    measure: Measure

    @property
    def samples(self) -> int:
        """How many samples were looked at."""
        return self.weight.shape[-1]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each layer."""
        return {name: place for place, name in enumerate(self.layers)}

    def of(self, layer: str, weight: TensorPlan, activation: TensorPlan) -> Floats:
        """The projections ``[directions, samples]`` of one layer; formats left in fp32 add nothing.

        Raises:
            ValueError: a format is not among those that were looked at.
        """
        place = self.places[layer]
        found = np.zeros(self.weight.shape[2:], np.float32)
        if not weight.is_float32:
            found = found + self.weight[place, self.weights.index(weight)]
        if not activation.is_float32:
            found = found + self.activation[place, self.activations.index(activation)]
        return found


def joined(parts: list[Projections]) -> Projections:
    """The projections of consecutive batches as one."""
    first = parts[0]
    return Projections(
        first.layers, first.weights, first.activations,
        np.concatenate([part.weight for part in parts], -1), np.concatenate([part.activation for part in parts], -1),
        first.points, np.concatenate([part.between for part in parts], -1),
        np.logical_or.reduce([part.reached for part in parts]), first.measure,
    )  # fmt: skip


def mean_square(projected: Floats) -> float:
    """The predicted error per sample of projections ``[directions, samples]``."""
    return float(np.mean(projected.astype(np.float64) ** 2))


def per_sample(projected: Floats) -> NDArray[np.float64]:
    """The predicted error of each sample, ``[samples]``."""
    found: NDArray[np.float64] = np.mean(projected.astype(np.float64) ** 2, axis=0)
    return found
