"""One streaming pass over a tensor's values, in memory that does not grow with the data."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.calibrate import passes
from qdebug.calibrate.bins import bin_of, exponent_for, merge
from qdebug.calibrate.passes import Piece, limits, pieces
from qdebug.calibrate.stats import ActivationStats
from qdebug.calibrate.tally import Tally

AVERAGING = 0.01
"""Weight of a new batch in the moving average of limits, as in torch's MovingAverageMinMaxObserver."""

AVERAGED = 32
"""Samples whose limits are one step of the moving average, whatever batches the engine runs in."""

_PIECE = 1 << 20
"""Values of a piece: all memory needed beyond the batch and the results is a few times as large."""

_STRETCH = 1 << 16
"""Values that the compiled loop takes at a time: 256 KiB, which stay in the cache. Where it stopped, so many are looked
at more closely, and more if that happens again."""

_ROWS = 8
"""Rows that the compiled loop takes at least at a time, where limits are those of columns."""


class Observer:
    """Collects count, moments, limits (overall, per channel, averaged over batches) and a histogram.

    All but the moving average and the last digits of the moments are independent of the order and size of batches.

    Args:
        channel_axis: the axis of channels, negative from the end.
        bins: bins of the histogram, at most 65536; at least half of them span the values seen.
        checkpoints: keep what was seen after 1, 2, 4, 8 … samples too (along axis 0).
    """

    def __init__(self, channel_axis: int, bins: int = 2048, *, checkpoints: bool = False) -> None:
        self._axis, self._bins = channel_axis, bins
        self._count = self._nan = self._inf = self._batches = 0
        self._low, self._high = np.inf, -np.inf
        self._average: tuple[float, float] | None = None
        self._channel_low = self._channel_high = np.empty(0, np.float32)
        self._tally = Tally(bins)
        self._samples = 0
        self._checkpoints: list[tuple[int, ActivationStats]] | None = [] if checkpoints else None

    def update(self, x: Tensor) -> None:
        """Look at a batch: any shape and strides; floats, taken as float32."""
        if not x.numel():
            return
        channels = x.shape[self._axis]
        if self._channel_low.size not in (0, channels):
            raise ValueError(f"{channels} channels after {self._channel_low.size}")
        self._batches += 1
        before, low, high = self._average, math.inf, -math.inf
        for part in self._parts(x):
            self._count += part.numel()
            self._samples += len(part)
            least, most = self._look(part)
            low, high = min(low, least), max(high, most)
            if low <= high:
                start = before or (low, high)
                self._average = start[0] + AVERAGING * (low - start[0]), start[1] + AVERAGING * (high - start[1])
            if self._checkpoints is not None and self._samples.bit_count() == 1:
                self._checkpoints.append((self._samples, self.stats()))

    def checkpoints(self) -> tuple[tuple[int, ActivationStats], ...]:
        """What had been seen after 1, 2, 4, 8 … samples and what was seen so far, each with the number of samples.

        A moving average takes the part of a batch that had been seen for the whole of it.

        Raises:
            ValueError: the observer was not asked to keep them.
        """
        if self._checkpoints is None:
            raise ValueError("this observer keeps no checkpoints")
        kept = tuple(self._checkpoints)
        return kept if not self._samples or self._samples.bit_count() == 1 else (*kept, (self._samples, self.stats()))

    def stats(self) -> ActivationStats:
        """What was seen so far."""
        tally, average = self._tally, self._average or (0.0, 0.0)
        total, squares, zeros = tally.sums()
        low, high = (self._low + 0.0, self._high + 0.0) if tally.values else (0.0, 0.0)
        # while values came in the bins had room for more; what is handed out depends on the values alone
        exponent = exponent_for(low, high, self._bins)
        origin = bin_of(low, exponent)
        counts = (
            merge(tally.counts(), tally.origin, exponent - tally.exponent, origin) if tally.values else tally.counts()
        )
        return ActivationStats(
            count=self._count, finite=tally.values, nan=self._nan, inf=self._inf, zeros=zeros,
            low=low, high=high, average_low=average[0], average_high=average[1],
            total=total, squares=squares,
            channel_low=self._channel_low.copy(), channel_high=self._channel_high.copy(),
            exponent=exponent, origin=origin, counts=counts.copy(), batches=self._batches,
        )  # fmt: skip

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        """The batch, cut where the number of samples passes a power of two if checkpoints are kept."""
        if self._checkpoints is None:
            yield x
            return
        start = 0
        while start < len(x):
            length = (1 << self._samples.bit_length()) - self._samples
            yield x[start : start + length]
            start += length

    def _look(self, x: Tensor) -> tuple[float, float]:
        """Look at a batch or a part of one; its smallest and largest finite value."""
        low, high = (np.full(x.shape[self._axis], end, np.float32) for end in (np.inf, -np.inf))
        for piece in pieces(x, self._axis, _PIECE):
            self._look_at(piece, low[piece.channels], high[piece.channels])
        low += np.float32(0.0)  # −0 becomes 0
        high += np.float32(0.0)
        if self._channel_low.size:
            np.minimum(self._channel_low, low, out=self._channel_low)
            np.maximum(self._channel_high, high, out=self._channel_high)
        else:
            self._channel_low, self._channel_high = low, high
        return float(low.min()), float(high.max())

    def _look_at(self, piece: Piece, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        """One piece; ``low`` and ``high`` take the limits of its channels."""
        row, stretch = 0, _STRETCH
        rows, width = piece.values.shape
        compiled = passes.kernels is not None and piece.values.device.type == "cpu"
        while row < rows:
            if compiled and self._tally.ready:
                step = max(1 if piece.planes else _ROWS, _STRETCH // width)
                started, row = row, self._tally.look(piece, row, step, low, high)
                stretch = stretch if row == started else _STRETCH
                self._low, self._high = min(self._low, float(low.min())), max(self._high, float(high.max()))
            part = piece.rows(row, row + max(_ROWS, stretch // width))
            if row < rows and not (compiled and self._make_room(part)):
                self._look_closely(part, low, high)
                row += len(part.values)
                stretch = min(2 * stretch, _PIECE)

    def _make_room(self, piece: Piece) -> bool:
        """Whether all values are finite; the bins then hold them."""
        least, most = (float(end) for end in torch.aminmax(piece.values))
        if not math.isfinite(most - least):  # NaN where there is one; float64, so that finite limits do not overflow
            return False
        self._widen(least, most)
        return True

    def _look_closely(self, piece: Piece, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        """Rows that may hold NaN or ±Inf; any device, with or without compiled loops."""
        least, most, clean = limits(piece)
        values = piece.values
        if not clean:
            self._nan += int(torch.isnan(values).sum())
            self._inf += int(torch.isinf(values).sum())
            values = values[torch.isfinite(values)]
            if not values.numel():
                return
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
        self._widen(float(least.min()), float(most.max()))
        self._tally.add(values)

    def _widen(self, low: float, high: float) -> None:
        """Make the bins hold these values and all that were seen."""
        self._low, self._high = min(self._low, low + 0.0), max(self._high, high + 0.0)
        if self._tally.holds(low, high):
            return
        exponent = exponent_for(self._low, self._high, self._bins)
        spare = self._bins - 1 - bin_of(self._high, exponent) + bin_of(self._low, exponent)
        self._tally.move(exponent, bin_of(self._low, exponent) - spare // 2)
