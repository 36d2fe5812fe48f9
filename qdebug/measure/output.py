"""What quantization does to a layer's output."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from qdebug.measure.split import decibels, kernels
from qdebug.quantize import by_channel, memory_order
from qdebug.results import OutputError


class OutputAccumulator:
    """Adds up the difference of two outputs that come in batches: SQNR and the mean shift of each channel.

    Places where either is NaN or infinite count for nothing here.

    Args:
        channel_axis: the axis of output channels.
    """

    def __init__(self, channel_axis: int) -> None:
        self._axis = channel_axis
        self._shift = np.zeros(0)
        self._sums = np.zeros(4)  # count, sum, sum of squares, squared error
        self._places = 0

    def add(self, reference: Tensor, quantized: Tensor) -> None:
        """Compare a batch of float outputs with the quantized ones, of equal shape."""
        if not reference.numel():
            return
        order = memory_order(reference)
        (one, channels, inner), (two, _, _) = (
            by_channel(values.detach().float(), self._axis, order) for values in (reference, quantized)
        )
        if not self._shift.size:
            self._shift = np.zeros(channels)
        self._places += one.numel() // channels
        if kernels is not None and one.device.type == "cpu":
            kernels.differences(one.numpy(), two.numpy(), inner, self._shift, self._sums)
            return
        good = torch.isfinite(one) & torch.isfinite(two)
        value = torch.where(good, one.double(), 0.0)
        change = torch.where(good, two.double(), 0.0) - value
        self._shift += change.sum(0).view(channels, inner).sum(1).cpu().numpy()
        sums = (good.sum(), value.sum(), value.square().sum(), change.square().sum())
        self._sums += np.array([float(part) for part in sums])

    @property
    def shift(self) -> tuple[float, ...]:
        """Mean of quantized minus float, per output channel; empty before anything was added."""
        return tuple((self._shift / max(self._places, 1)).tolist())

    @property
    def sqnr_db(self) -> float | None:
        """Signal to error in decibels; None where there is no error or no signal."""
        return decibels(float(self._sums[2]), float(self._sums[3]))

    @property
    def mse(self) -> float:
        """Mean squared error of a value; 0 before anything was added."""
        return float(self._sums[3]) / max(float(self._sums[0]), 1.0)

    def finish(self, cumulative_sqnr_db: float | None = None) -> OutputError:
        """The result over everything added, with a cumulative SQNR measured elsewhere."""
        count = max(self._sums[0], 1.0)
        variance = self._sums[2] / count - (self._sums[1] / count) ** 2
        shift = float(np.abs(self.shift).mean()) if self._shift.size else 0.0
        mean_shift = shift / math.sqrt(variance) if variance > 0 else 0.0
        return OutputError(sqnr_db=self.sqnr_db, mean_shift=mean_shift, cumulative_sqnr_db=cumulative_sqnr_db)
