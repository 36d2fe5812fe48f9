"""One streaming pass over a tensor's values, in memory that does not grow with the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdebug.calibrate.bins import bin_of, exponent_for, merge
from qdebug.calibrate.passes import Piece, limits, pieces, tally
from qdebug.calibrate.stats import ActivationStats

AVERAGING = 0.01
"""Weight of a new batch in the moving average of limits, as in torch's MovingAverageMinMaxObserver."""

_PIECE = 1 << 19
"""Values looked at twice in a row: few enough to be in the cache the second time."""


class Observer:
    """Collects count, moments, limits (overall, per channel, averaged over batches) and a histogram.

    All but the moving average and the last digits of the moments are independent of the order and size of batches.

    Args:
        channel_axis: the axis of channels, negative from the end.
        bins: bins of the histogram; at least half of them span the values seen.
    """

    def __init__(self, channel_axis: int, bins: int = 2048) -> None:
        self._axis, self._bins = channel_axis, bins
        self._count = self._finite = self._nan = self._inf = self._zeros = self._batches = 0
        self._total = self._squares = 0.0
        self._low, self._high = np.inf, -np.inf
        self._average: tuple[float, float] | None = None
        self._channel_low = self._channel_high = np.empty(0, np.float32)
        self._exponent = self._origin = 0
        self._counts = np.zeros(bins, np.int64)

    def update(self, x: Tensor) -> None:
        """Look at a batch: any shape and strides; floats, taken as float32."""
        if not x.numel():
            return
        self._batches += 1
        self._count += x.numel()
        low, high = np.inf, -np.inf
        for piece in pieces(x, self._axis, _PIECE):
            least, most = self._look(piece)
            low, high = min(low, least), max(high, most)
        if low <= high:
            least, most = self._average or (low, high)
            self._average = least + AVERAGING * (low - least), most + AVERAGING * (high - most)

    def stats(self) -> ActivationStats:
        """What was seen so far."""
        some = self._finite > 0
        average = self._average or (0.0, 0.0)
        return ActivationStats(
            count=self._count, finite=self._finite, nan=self._nan, inf=self._inf, zeros=self._zeros,
            low=float(self._low) if some else 0.0, high=float(self._high) if some else 0.0,
            average_low=average[0], average_high=average[1], total=self._total, squares=self._squares,
            channel_low=self._channel_low.copy(), channel_high=self._channel_high.copy(),
            exponent=self._exponent, origin=self._origin, counts=self._counts.copy(), batches=self._batches,
        )  # fmt: skip

    def _look(self, piece: Piece) -> tuple[float, float]:
        channel_low, channel_high, clean = limits(piece)
        if not self._channel_low.size:
            self._channel_low, self._channel_high = channel_low, channel_high
        elif self._channel_low.size != channel_low.size:
            raise ValueError(f"{channel_low.size} channels after {self._channel_low.size}")
        else:
            self._channel_low = np.minimum(self._channel_low, channel_low)
            self._channel_high = np.maximum(self._channel_high, channel_high)
        values = piece.values
        if not clean:
            self._nan += int(torch.isnan(values).sum())
            self._inf += int(torch.isinf(values).sum())
            values = values[torch.isfinite(values)]
            if not values.numel():
                return np.inf, -np.inf
        low, high = float(channel_low.min()), float(channel_high.max())
        self._grow(low, high)
        counts, total, squares, zeros = tally(values, self._exponent, self._origin, self._bins)
        self._counts += counts
        self._finite += values.numel()
        self._total, self._squares, self._zeros = self._total + total, self._squares + squares, self._zeros + zeros
        return low, high

    def _grow(self, low: float, high: float) -> None:
        """Make the histogram hold both values."""
        if self._finite and self._low <= low and high <= self._high:
            return
        self._low, self._high = min(self._low, low), max(self._high, high)
        exponent = exponent_for(self._low, self._high, self._bins)
        origin = bin_of(self._low, exponent)
        if self._finite:
            self._counts = merge(self._counts, self._origin, exponent - self._exponent, origin)
        self._exponent, self._origin = exponent, origin
