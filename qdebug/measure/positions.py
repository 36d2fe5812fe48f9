"""Errors of an output by the position in the sequence."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.measure.intervals import ratio
from qdebug.results.positions import PositionSide

Numbers = NDArray[np.float64]


def by_position(value: Tensor, length: int, axis: int) -> Tensor:
    """A batch of outputs as ``[N, T, C]``.

    Args:
        value: ``[N, T, C]``, ``[N, C, T]``, or ``[N·T, C]``: samples one behind the other.
        length: T.
        axis: that of channels.
    """
    if value.dim() == 2:
        return value.unflatten(0, (-1, length))
    return value if axis % 3 == 2 else value.transpose(1, 2)


class PositionAccumulator:
    """Adds up squared outputs and errors by sample and position, over batches.

    A value that is NaN or infinite on either side counts for nothing.
    """

    def __init__(self) -> None:
        self._power: list[Numbers] = []
        self._error: list[Numbers] = []

    def add(self, reference: Tensor, quantized: Tensor) -> None:
        """Compare a batch of float outputs with the quantized ones, ``[N, T, C]`` each."""
        good = torch.isfinite(reference) & torch.isfinite(quantized)
        one = torch.where(good, reference.detach().double(), 0.0)
        change = torch.where(good, quantized.detach().double(), 0.0) - one
        self._power.append(one.square().sum(-1).cpu().numpy())
        self._error.append(change.square().sum(-1).cpu().numpy())

    @property
    def power(self) -> Numbers:
        """Squared float outputs, ``[N, T]``."""
        return np.concatenate(self._power)

    @property
    def error(self) -> Numbers:
        """Squared errors, ``[N, T]``."""
        return np.concatenate(self._error)


def position_side(power: Numbers, error: Numbers, present: NDArray[np.bool_]) -> PositionSide:
    """What is told of each position that holds a token in some sample.

    The relative error is a ratio of sums over samples, its interval that of :func:`~qdebug.measure.intervals.ratio`.

    Args:
        power: squared float outputs, ``[N, T]``.
        error: squared errors, ``[N, T]``.
        present: where there is a token, ``[N, T]``.
    """
    places = np.flatnonzero(present.any(0))
    sums = np.where(present, error, 0.0).sum(0)[places]
    rows = [_relative(power[present[:, place], place], error[present[:, place], place]) for place in places]
    return PositionSide(
        share=tuple((sums / (sums.sum() or 1.0)).tolist()), relative=tuple(row[0] for row in rows),
        low=tuple(row[1] for row in rows), high=tuple(row[2] for row in rows),
    )  # fmt: skip


def _relative(power: Numbers, error: Numbers) -> tuple[float | None, float | None, float | None]:
    if not power.sum() > 0:
        return None, None, None
    value, half = ratio(error, power)
    if math.isinf(half):
        return value, 0.0, None
    return value, max(0.0, value - half), value + half
