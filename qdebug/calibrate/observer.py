"""One streaming pass over a tensor's values, in memory that does not grow with the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdebug.calibrate.bins import bin_of, exponent_for, merge
from qdebug.calibrate.passes import Piece, limits, pieces
from qdebug.calibrate.stats import ActivationStats
from qdebug.calibrate.tally import Tally

AVERAGING = 0.01
"""Weight of a new batch in the moving average of limits, as in torch's MovingAverageMinMaxObserver."""

_PIECE = 1 << 19
"""Values looked at twice in a row: few enough to be in the cache the second time."""


class Observer:
    """Collects count, moments, limits (overall, per channel, averaged over batches) and a histogram.

    All but the moving average and the last digits of the moments are independent of the order and size of batches.

    Args:
        channel_axis: the axis of channels, negative from the end.
        bins: bins of the histogram, at most 65536; at least half of them span the values seen.
    """

    def __init__(self, channel_axis: int, bins: int = 2048) -> None:
        self._axis, self._bins = channel_axis, bins
        self._count = self._nan = self._inf = self._batches = 0
        self._low, self._high = np.inf, -np.inf
        self._average: tuple[float, float] | None = None
        self._channel_low = self._channel_high = np.empty(0, np.float32)
        self._tally = Tally(bins)

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
        tally, average = self._tally, self._average or (0.0, 0.0)
        low, high = (self._low, self._high) if tally.values else (0.0, 0.0)
        # while values came in the bins had room for more; what is handed out depends on the values alone
        exponent = exponent_for(low, high, self._bins)
        origin = bin_of(low, exponent)
        counts = (
            merge(tally.counts(), tally.origin, exponent - tally.exponent, origin) if tally.values else tally.counts()
        )
        return ActivationStats(
            count=self._count, finite=tally.values, nan=self._nan, inf=self._inf, zeros=int(tally.sums[2]),
            low=low, high=high, average_low=average[0], average_high=average[1],
            total=float(tally.sums[0]), squares=float(tally.sums[1]),
            channel_low=self._channel_low.copy(), channel_high=self._channel_high.copy(),
            exponent=exponent, origin=origin, counts=counts.copy(), batches=self._batches,
        )  # fmt: skip

    def _look(self, piece: Piece) -> tuple[float, float]:
        channel_low, channel_high, clean = limits(piece)
        if not self._channel_low.size:
            self._channel_low, self._channel_high = channel_low.copy(), channel_high.copy()
        elif self._channel_low.size != channel_low.size:
            raise ValueError(f"{channel_low.size} channels after {self._channel_low.size}")
        else:
            np.minimum(self._channel_low, channel_low, out=self._channel_low)
            np.maximum(self._channel_high, channel_high, out=self._channel_high)
        values = piece.values
        if not clean:
            self._nan += int(torch.isnan(values).sum())
            self._inf += int(torch.isinf(values).sum())
            values = values[torch.isfinite(values)]
            if not values.numel():
                return np.inf, -np.inf
        low, high = float(channel_low.min()), float(channel_high.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        if not self._tally.holds(low, high):
            exponent = exponent_for(self._low, self._high, self._bins)
            spare = self._bins - 1 - bin_of(self._high, exponent) + bin_of(self._low, exponent)
            self._tally.move(exponent, bin_of(self._low, exponent) - spare // 2)
        self._tally.add(values)
        return low, high
