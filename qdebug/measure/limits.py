"""A running range of finite values."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Limits:
    """A running range; [0, 0] before anything was seen."""

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def see(self, low: float, high: float) -> None:
        """Widen the range to hold both."""
        self._low, self._high = min(self._low, low), max(self._high, high)

    def see_finite(self, x: Tensor) -> None:
        """Widen the range to hold the finite values of a tensor that is not empty."""
        low, high = torch.aminmax(x)
        if not bool(torch.isfinite(high - low)):  # NaN, Inf or a span beyond float32: look again, only at the finite
            x = x[torch.isfinite(x)]
            if not x.numel():
                return
            low, high = torch.aminmax(x)
        self.see(float(low), float(high))

    @property
    def low(self) -> float:
        """The lower end."""
        return self._low if self._low <= self._high else 0.0

    @property
    def high(self) -> float:
        """The upper end."""
        return self._high if self._low <= self._high else 0.0
