"""From what was observed to a clip range."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.calibrate.stats import ActivationStats
from qdebug.errors import NumericError
from qdebug.formats import QFormat, find
from qdebug.quantize import choose_qparams, search_clip
from qdebug.recipes import TensorPlan


def choose_range(stats: ActivationStats, plan: TensorPlan, *, layer: str | None = None) -> tuple[float, float]:
    """The clip range of a static per-tensor activation, zero included; NaN and ±Inf had no say in it.

    ``percentile`` keeps the central share of the values, as far as the histogram resolves it; ``mse`` minimizes the
    expected squared error with the values of a bin spread evenly over it (and zeros exactly at zero).

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
    if plan.range == "moving_average":
        return _unless_empty(stats.average_low, stats.average_high, (low, high))
    if plan.range == "percentile":
        tail = (100.0 - plan.percentile) / 200.0
        return _unless_empty(stats.quantile(tail), stats.quantile(1.0 - tail), (low, high))
    if plan.range == "mse" and stats.low < stats.high:
        return _mse(stats, find(plan.format), plan.symmetric, low, high)
    return low, high


def _unless_empty(low: float, high: float, otherwise: tuple[float, float]) -> tuple[float, float]:
    """The range with zero in it; the other one where it is zero alone, which says nothing about the scale."""
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if low < high else otherwise


def _mse(stats: ActivationStats, fmt: QFormat, symmetric: bool, low: float, high: float) -> tuple[float, float]:
    counts = stats.counts.copy()
    if stats.zeros:
        counts[-stats.origin] -= stats.zeros
    used = np.flatnonzero(counts)
    left, right = stats.edges[used], stats.edges[used + 1]
    weights = torch.from_numpy(counts[used] / stats.width)

    def errors(rmin: Tensor, rmax: Tensor) -> Tensor:
        qparams = choose_qparams(rmin, rmax, fmt, symmetric)
        scale = qparams.scale.double().unsqueeze(-1)
        first, last = ((code - qparams.zero_point.double()).unsqueeze(-1) for code in (qparams.qmin, qparams.qmax))
        rise = _integral(right, scale, first, last) - _integral(left, scale, first, last)
        return (rise * scale**3) @ weights

    limits = torch.tensor([low, high], dtype=torch.float64)
    best = search_clip(limits[0], limits[1], symmetric, errors)
    return float(best[0]), float(best[1])


def _integral(x: NDArray[np.float64], scale: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The antiderivative, in steps, of the squared rounding error: a twelfth for each step passed, and a cubic.

    It holds beyond the clip limits too, where the nearest code stays the last one.
    """
    place = torch.from_numpy(x) / scale
    code = place.round().clamp(first, last)
    return code / 12.0 + (place - code) ** 3 / 3.0
