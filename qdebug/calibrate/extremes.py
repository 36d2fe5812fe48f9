"""Which samples hold a tensor's smallest and largest values, and how many values leave a range; streaming."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Farthest:
    """The farthest value in one direction, the sample it is in, and the farthest of all other samples."""

    def __init__(self) -> None:
        self.value = self.runner_up = -math.inf
        self.sample: int | None = None

    def update(self, values: Tensor, first: int) -> None:
        """Look at the farthest value of some samples.

        Args:
            values: ``[n]``, one per sample; −inf for a sample without a finite value.
            first: the first one's number.
        """
        top = torch.topk(values, min(2, len(values)))
        for value, place in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            if value > self.value:
                self.runner_up, self.value, self.sample = self.value, value, first + place
            else:
                self.runner_up = max(self.runner_up, value)

    @property
    def is_alone(self) -> bool:
        """Whether a single sample goes so far."""
        return self.value > self.runner_up


class Extremes:
    """What a tensor's values do to its range, seen batch by batch; memory does not grow with the number of samples.

    NaN and ±Inf count for nothing.

    Args:
        low: lower end of the range that values may leave.
        high: upper end.
    """

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.count = self.outside = 0
        self.lowest, self.highest = Farthest(), Farthest()  # of the lowest all signs are turned

    def update(self, rows: Tensor, first: int) -> None:
        """Look at a batch.

        Args:
            rows: ``[n, …]``, samples first.
            first: the number of its first sample.
        """
        if not rows.numel():
            return
        flat = rows.detach().reshape(len(rows), -1).float()
        low, high = torch.aminmax(flat, dim=1)
        count = flat.numel()
        if not bool(torch.isfinite(low + high).all()):  # NaN, Inf or a span beyond float32: look only at the finite
            finite = torch.isfinite(flat)
            count = int(finite.sum())
            low = torch.where(finite, flat, torch.inf).amin(1)
            high = torch.where(finite, flat, -torch.inf).amax(1)
            flat = torch.where(finite, flat, 0.5 * (self._low + self._high))
        self.count += count
        self.highest.update(high.double(), first)
        self.lowest.update(-low.double(), first)
        if float(low.min()) < self._low or float(high.max()) > self._high:
            self.outside += int(((flat < self._low) | (flat > self._high)).sum())

    @property
    def share_outside(self) -> float:
        """Share of the finite values that left the range."""
        return self.outside / self.count if self.count else 0.0
