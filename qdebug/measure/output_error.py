"""What quantization does to a layer's output, gathered batch by batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qdebug.results import OutputError


class OutputComparison:
    """Compares a layer's quantized output with its float output over many batches, in float64 and bounded memory.

    Args:
        channel_axis: the axis of output channels.
    """

    def __init__(self, channel_axis: int) -> None:
        self._axis = channel_axis
        self._count = 0
        self._noise = self._signal = self._total = 0.0
        self._shift: Tensor | None = None

    def add(self, reference: Tensor, quantized: Tensor) -> None:
        """One batch of float and quantized outputs of equal shape."""
        difference = (quantized - reference).movedim(self._axis, 0).flatten(1)
        shift = difference.sum(1, dtype=torch.float64)
        self._shift = shift if self._shift is None else self._shift + shift
        self._noise += float(torch.linalg.vector_norm(difference, dtype=torch.float64)) ** 2
        self._signal += float(torch.linalg.vector_norm(reference, dtype=torch.float64)) ** 2
        self._total += float(reference.sum(dtype=torch.float64))
        self._count += reference.numel()

    def shift(self) -> tuple[float, ...]:
        """Mean of quantized − float per output channel."""
        if self._shift is None:
            return ()
        return tuple((self._shift / (self._count / len(self._shift))).tolist())

    def error(self, cumulative_sqnr_db: float | None = None) -> OutputError:
        """The comparison in numbers."""
        variance = max(self._signal - self._total**2 / max(self._count, 1), 0.0) / max(self._count, 1)
        shifts = self.shift()
        mean = sum(abs(value) for value in shifts) / len(shifts) if shifts else 0.0
        return OutputError(
            sqnr_db=self.sqnr_db(),
            mean_shift=mean / math.sqrt(variance) if variance > 0 else 0.0,
            cumulative_sqnr_db=cumulative_sqnr_db,
        )

    def sqnr_db(self) -> float | None:
        """Signal to quantization noise in decibels; None where there is no noise or no signal."""
        if not (self._noise > 0 and self._signal > 0 and math.isfinite(self._noise + self._signal)):
            return None
        return 10 * math.log10(self._signal / self._noise)
