"""Two outputs of a layer against each other, counted in squares as they come in batches."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from qdebug.measure.cells import packed_counts
from qdebug.measure.split import decibels
from qdebug.results import OutputScatter

BINS = 96
STEEP = 12.0
"""From how many standard deviations on the largest magnitude would crowd all others into few squares."""
MOST = 1 << 24
"""Values that are counted; of more, one in every so many, at a distance that meets all channels in turn."""


class Scatter:
    """Counts pairs of values: first all batches are seen, for the range of the axes, then all are counted.

    Args:
        batches: how many there will be.
    """

    def __init__(self, batches: int) -> None:
        self._each = max(1, MOST // max(1, batches))
        self._low, self._high = math.inf, -math.inf
        self._moments = np.zeros(3)  # of x: count, sum, sum of squares
        self._counts = torch.zeros(BINS * BINS, dtype=torch.int64)
        self._sums = np.zeros(5)  # of x, y, x², xy, (y − x)²
        self._n = self._of = self._left_out = 0

    def see(self, reference: Tensor, quantized: Tensor) -> None:
        """Widen the axes to hold a batch of float outputs and of quantized ones, of equal shape."""
        x, y = self._pairs(reference, quantized)
        if x.numel():
            low, high = torch.aminmax(torch.stack([x, y]))
            self._low, self._high = min(self._low, float(low)), max(self._high, float(high))
            self._moments += np.array([len(x), float(x.sum()), float(x.square().sum())])

    def count(self, reference: Tensor, quantized: Tensor) -> None:
        """Count such a batch, which was seen before."""
        x, y = self._pairs(reference, quantized)
        self._of += reference.numel()
        self._left_out += len(reference.flatten()[:: stride_of(reference, self._each)]) - len(x)
        self._n += len(x)
        places = self._places(x), self._places(y)
        self._counts += torch.bincount(places[1] * BINS + places[0], minlength=BINS * BINS)
        sums = (x.sum(), y.sum(), x.square().sum(), (x * y).sum(), (y - x).square().sum())
        self._sums += np.array([float(one) for one in sums])

    @property
    def _stretch(self) -> float | None:
        count, total, square = self._moments
        deviation = math.sqrt(max(0.0, square / count - (total / count) ** 2)) if count else 0.0
        return deviation if 0 < deviation * STEEP < max(-self._low, self._high) else None

    def _places(self, values: Tensor) -> Tensor:
        """Which of the axis' parts each value lies in."""
        ends, unit = torch.tensor([self._low, self._high], dtype=torch.float64), self._stretch
        if unit is not None:
            values, ends = torch.asinh(values / unit), torch.asinh(ends / unit)
        low, span = float(ends[0]), float(ends[1] - ends[0])
        return ((values - low) * (BINS / span if span else 0.0)).long().clamp_(0, BINS - 1)

    def finish(self, layer: str, samples: int, *, in_place: bool) -> OutputScatter:
        """The result over everything counted."""
        n = max(1, self._n)
        mean_x, mean_y, square, product, noise = (float(one) / n for one in self._sums)
        variance = max(0.0, square - mean_x**2)
        varies = variance > 1e-12 * square
        slope = (product - mean_x * mean_y) / variance if varies else None
        counts = packed_counts(self._counts.view(BINS, BINS).numpy())
        ends = (self._low, self._high) if self._n else (0.0, 0.0)
        return OutputScatter(
            layer=layer, in_place=in_place, low=ends[0], high=ends[1], stretch=self._stretch, cells=counts, slope=slope,
            offset=None if slope is None else mean_y - slope * mean_x, shift=mean_y - mean_x,
            deviation=math.sqrt(variance), sqnr_db=decibels(square, noise), n=self._n, of=self._of, samples=samples,
            left_out=self._left_out,
        )  # fmt: skip

    def _pairs(self, reference: Tensor, quantized: Tensor) -> tuple[Tensor, Tensor]:
        stride = stride_of(reference, self._each)
        x, y = (one.detach().flatten()[::stride].double().cpu() for one in (reference, quantized))
        good = torch.isfinite(x) & torch.isfinite(y)
        return x[good], y[good]


def stride_of(x: Tensor, most: int) -> int:
    """The least distance that leaves at most so many values of a batch and has no factor in common with a sample's."""
    stride = max(1, -(-x.numel() // most))
    one = x.numel() // max(1, len(x)) if x.dim() else 1
    while stride > 1 and math.gcd(stride, one) > 1:
        stride += 1
    return stride
