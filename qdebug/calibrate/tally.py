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
        ready: whether they have been placed.
        values: how many were added.
    """

    def __init__(self, bins: int) -> None:
        if not 0 < bins <= 1 << 16:
            raise ValueError(f"{bins} bins; from 1 to 65536 will do")
        self.exponent = self.origin = self.values = 0
        self.ready = False
        self._sums, self._zeros = np.zeros(2), 0
        self._counts = np.zeros(bins, np.int64)
        self._tables: NDArray[np.int32] | None = None
        self._waiting = 0

    def holds(self, low: float, high: float) -> bool:
        """Whether both values lie in the bins."""
        ends = bin_of(low, self.exponent) - self.origin, bin_of(high, self.exponent) - self.origin
        return self.ready and ends[0] >= 0 and ends[1] < len(self._counts)

    def look(
        self, piece: passes.Piece, row: int, step: int, low: NDArray[np.float32], high: NDArray[np.float32]
    ) -> int:
        """Rows of a piece in the compiled loop, which stops where values are not finite or leave the bins.

        Args:
            piece: on the CPU.
            row: where to start.
            step: rows to take at a time.
            low: lowered to the limits of the piece's channels.
            high: raised in the same way.

        Returns:
            The row where it stopped.
        """
        values = piece.values
        stopped = passes.kernels.look(
            values.numpy().view(np.int32), row, step, piece.planes, low, high,
            np.float32(2.0**-self.exponent), np.float32(self.origin), self._room(values.numel()), self._sums,
        )  # fmt: skip
        self.values += (stopped - row) * values.shape[1]
        return stopped

    def add(self, x: Tensor) -> None:
        """Count finite values that the bins hold."""
        self.values += x.numel()
        inverse = 2.0**-self.exponent
        if passes.kernels is not None and x.device.type == "cpu":
            tables = self._room(x.numel())
            flat = x.view(-1).numpy()
            passes.kernels.count(flat, np.float32(inverse), np.float32(self.origin), tables)
            self._sums += passes.kernels.moments(flat)
            return
        places = torch.floor(x.reshape(-1) * inverse).long()
        places[(x.reshape(-1) < 0) & (places == 0)] = -1  # products that underflowed
        self._counts += torch.bincount(places - self.origin, minlength=len(self._counts)).cpu().numpy()
        self._zeros += int((x == 0).sum())
        exact = x.double()
        self._sums += np.array([float(exact.sum()), float(exact.square().sum())])

    def counts(self) -> NDArray[np.int64]:
        """The counts so far. Not a copy."""
        if self._tables is not None and self._waiting:
            found = self._tables.sum(1, dtype=np.int64)
            self._counts += found[:-1]
            if found[-1]:
                self._counts[-self.origin] += found[-1]
                self._zeros += int(found[-1])
            self._tables.fill(0)
            self._waiting = 0
        return self._counts

    def sums(self) -> tuple[float, float, int]:
        """The sum of the values, the sum of their squares, and how many were zero."""
        self.counts()
        return float(self._sums[0]), float(self._sums[1]), self._zeros

    def _room(self, values: int) -> NDArray[np.int32]:
        """Tables that can take so many values more."""
        if self._tables is None:
            self._tables = np.zeros((len(self._counts) + 1, passes.kernels.TABLES), np.int32)
        if self._waiting + values > _ROOM:
            self.counts()
        self._waiting += values
        return self._tables

    def move(self, exponent: int, origin: int) -> None:
        """Change to bins at least as wide, which hold all that was counted."""
        if self.values:
            self._counts = merge(self.counts(), self.origin, exponent - self.exponent, origin)
        self.exponent, self.origin, self.ready = exponent, origin, True
