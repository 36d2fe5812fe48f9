"""From what was observed to a clip range."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdebug.calibrate.expected import least_error
from qdebug.calibrate.stats import ActivationStats
from qdebug.calibrate.tails import sides
from qdebug.errors import NumericError
from qdebug.formats import Integer, find
from qdebug.quantize import aciq_range, entropy_limit, octav_range
from qdebug.quantize.ranges.aciq import Density
from qdebug.recipes import TensorPlan

_MAGNITUDES = 4096
"""Bins of magnitudes, from zero on, for the entropy method."""


def choose_range(stats: ActivationStats, plan: TensorPlan, *, layer: str | None = None) -> tuple[float, float]:
    """The clip range of a static per-tensor activation, zero included; NaN and ±Inf had no say in it.

    It is never wider than what was observed together with zero. ``percentile`` keeps the central share of the values,
    as far as the histogram resolves it; ``mse`` minimizes the expected squared error with the values of a bin spread
    evenly over it (:mod:`qdebug.calibrate.expected`); ``entropy``, ``aciq_laplace``, ``aciq_gauss`` and ``octav`` are
    those of :mod:`qdebug.quantize`, with the histogram in place of the data. Where all values are equal, or a method
    leaves nothing but zero, it is the observed range.

    Raises:
        NumericError: no finite value was seen, and the plan sets no range by hand.
    """
    if plan.clip is not None:
        return plan.clip
    if not stats.finite:
        what = "only NaN or Inf" if stats.count else "nothing"
        raise NumericError(
            f"Calibration saw {what}, so there is no range to choose",
            do="Mend the calibration data or the layers before this one.", layer=layer, tensor="activation",
        )  # fmt: skip
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    if stats.low == stats.high:
        return low, high
    match plan.range:
        case "moving_average":
            found = stats.average_low, stats.average_high
        case "percentile":
            tail = (100.0 - plan.percentile) / 200.0
            found = stats.quantile(tail), stats.quantile(1.0 - tail)
        case "mse":
            found = least_error(stats, _integer(plan), plan.symmetric)
        case "entropy":
            found = _entropy(stats, _integer(plan), plan.symmetric)
        case "aciq_laplace" | "aciq_gauss":
            found = _aciq(stats, "laplace" if plan.range == "aciq_laplace" else "gauss", _integer(plan), plan.symmetric)
        case "octav":
            found = _octav(stats, _integer(plan), plan.symmetric)
        case _:
            return low, high
    below, above = max(min(found[0], 0.0), low), min(max(found[1], 0.0), high)
    return (below, above) if below < above else (low, high)


def _integer(plan: TensorPlan) -> Integer:
    fmt = find(plan.format)
    assert isinstance(fmt, Integer), f"recipes allow {plan.range} for integers alone"
    return fmt


def _entropy(stats: ActivationStats, fmt: Integer, symmetric: bool) -> tuple[float, float]:
    both = sides(stats)
    doublings = 0
    while max(side.last for side in both) >> doublings > _MAGNITUDES:  # all values far from zero
        doublings += 1
    counts = np.zeros((2, _MAGNITUDES), np.int64)
    for row, side in zip(counts, both, strict=True):
        np.add.at(row, np.arange(side.first, side.last) >> doublings, side.counts.astype(np.int64))
    kept = int(entropy_limit(counts[1:], counts[:1], fmt.bits, symmetric)[0])
    limit = float(kept << doublings) * stats.width if kept < _MAGNITUDES else np.inf
    return -limit, limit


def _aciq(stats: ActivationStats, density: Density, fmt: Integer, symmetric: bool) -> tuple[float, float]:
    filled = stats.finite - stats.zeros
    if density == "gauss":
        about_zero = stats.squares / stats.finite
        spreads = [stats.std, about_zero**0.5, (stats.squares / filled) ** 0.5]
    else:
        total = stats.deviation(0.0) * stats.finite
        spreads = [stats.deviation(stats.mean), stats.deviation(0.0), total / filled]
    low, high, mean, *rest = torch.tensor([stats.low, stats.high, stats.mean, *spreads], dtype=torch.float64)
    below, above = aciq_range(density, fmt.bits, symmetric, (low, high), mean, (rest[0], rest[1], rest[2]))
    return float(below), float(above)


def _octav(stats: ActivationStats, fmt: Integer, symmetric: bool) -> tuple[float, float]:
    both = sides(stats)

    def tails(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ends = (side.tail(limit.numpy()) for side, limit in zip(both, (-low, high), strict=True))
        (a, b), (c, d) = ((torch.from_numpy(np.asarray(value)) for value in tail) for tail in ends)
        return a, b, c, d

    limits = torch.tensor([[stats.low], [stats.high]], dtype=torch.float64) / stats.width
    count = torch.tensor([float(stats.finite - stats.zeros)], dtype=torch.float64)
    below, above = octav_range(tails, count, (limits[0], limits[1]), fmt.bits, symmetric)
    return float(below) * stats.width, float(above) * stats.width
