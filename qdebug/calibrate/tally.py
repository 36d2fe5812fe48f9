"""Counts per bin and moments of a stream of finite values."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.calibrate import passes
from qdebug.calibrate.bins import bin_of, merge

_ROOM = 1 << 30
"""Values that int32 tables take before they are emptied into int64 counts."""


class Tally:
    """Counts of bins ``[(origin + i) · 2^exponent, (origin + i + 1) · 2^exponent)``, and sums.

    Attributes:
        exponent, origin: the bins.
        values: how many were added.
        sums: their sum, the sum of their squares, and how many were zero.
    """

    def __init__(self, bins: int) -> None:
        if not 0 < bins <= 1 << 16:
            raise ValueError(f"{bins} bins; from 1 to 65536 will do")
        self.exponent = self.origin = self.values = 0
        self.sums = np.zeros(3)
        self._counts = np.zeros(bins, np.int64)
        self._tables: NDArray[np.int32] | None = None
        self._waiting = 0

    def holds(self, low: float, high: float) -> bool:
        """Whether both values lie in the bins."""
        ends = bin_of(low, self.exponent) - self.origin, bin_of(high, self.exponent) - self.origin
        return self.values > 0 and ends[0] >= 0 and ends[1] < len(self._counts)

    def add(self, x: Tensor) -> None:
        """Count finite values that the bins hold."""
        self.values += x.numel()
        inverse = 2.0**-self.exponent
        if passes.kernels is not None and x.device.type == "cpu":
            if self._tables is None:
                self._tables = np.zeros((len(self._counts), passes.kernels.TABLES), np.int32)
            if self._waiting + x.numel() > _ROOM:
                self.counts()
            self._waiting += x.numel()
            passes.kernels.count(
                x.view(-1).numpy(), np.float32(inverse), np.float32(self.origin), self._tables, self.sums
            )
            return
        places = torch.floor(x.reshape(-1) * inverse).long()
        places[(x.reshape(-1) < 0) & (places == 0)] = -1  # products that underflowed
        self._counts += torch.bincount(places - self.origin, minlength=len(self._counts)).cpu().numpy()
        exact = x.double()
        self.sums += np.array([float(exact.sum()), float(exact.square().sum()), float((x == 0).sum())])

    def counts(self) -> NDArray[np.int64]:
        """The counts so far. Not a copy."""
        if self._tables is not None and self._waiting:
            self._counts += self._tables.sum(1, dtype=np.int64)
            self._tables.fill(0)
            self._waiting = 0
        return self._counts

    def move(self, exponent: int, origin: int) -> None:
        """Change to bins at least as wide, which hold all that was counted."""
        if self.values:
            self._counts = merge(self.counts(), self.origin, exponent - self.exponent, origin)
        self.exponent, self.origin = exponent, origin
