"""A batch in pieces, and the limits of each channel in a piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.quantize import by_channel, memory_order

try:
    from qdebug.calibrate import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

_PLANE = 128
"""Values per channel and sample from which a plane is reduced by itself; below it columns go side by side."""

_FEW, _SHORT = 8, 16
"""Where there are fewer rows than that, a limit for each column costs more than planes of at least so many values."""


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """Part of a batch in the order of memory.

    Attributes:
        values: ``[B, M]`` float32, contiguous.
        first: number of the first row.
        channels: the channels in it, a part of all where their axis was cut.
        planes: whether a row is a plane, of channel ``(first + r) % channels``, or holds all channels side by side.
    """

    values: Tensor
    first: int
    channels: slice
    planes: bool

    @property
    def width(self) -> int:
        """How many channels it has."""
        return self.channels.stop - self.channels.start

    def rows(self, first: int, stop: int) -> Piece:
        """Some of its rows."""
        return Piece(self.values[first:stop], self.first + first, self.channels, self.planes)


def pieces(x: Tensor, axis: int, most: int) -> Iterator[Piece]:
    """The batch in pieces of at most ``most`` values, whatever its strides; no copy where ``x`` is dense float32.

    It is cut before it is copied: what is not dense float32 costs the memory of one piece.
    """
    return _cut(x.detach(), axis % x.dim(), 0, most)


def _cut(x: Tensor, axis: int, channel: int, most: int) -> Iterator[Piece]:
    if x.numel() > most:
        slowest = next(i for i in memory_order(x) if x.shape[i] > 1)
        step = max(1, most // (x.numel() // x.shape[slowest]))
        for i in range(0, x.shape[slowest], step):
            part = x.narrow(slowest, i, min(step, x.shape[slowest] - i))
            yield from _cut(part, axis, channel + i if slowest == axis else channel, most)
        return
    matrix, channels, inner = by_channel(x.float(), axis)
    planes = channels == 1 or inner >= (_PLANE if len(matrix) >= _FEW else _SHORT)
    if planes:
        matrix = matrix.view(-1, inner)
    yield Piece(matrix, 0, slice(channel, channel + channels), planes)


def limits(piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Smallest and largest finite value of each channel (+inf, −inf where it has none), and whether all are finite."""
    finite = torch.isfinite(piece.values)
    low = torch.where(finite, piece.values, torch.inf)
    high = torch.where(finite, piece.values, -torch.inf)
    if piece.planes:
        channel = (torch.arange(len(low), device=low.device) + piece.first) % piece.width
        start = low.new_full((piece.width,), torch.inf)
        least = start.scatter_reduce(0, channel, low.amin(1), "amin")
        most = (-start).scatter_reduce(0, channel, high.amax(1), "amax")
    else:
        least = low.amin(0).view(piece.width, -1).amin(1)
        most = high.amax(0).view(piece.width, -1).amax(1)
    return least.cpu().numpy(), most.cpu().numpy(), bool(finite.all())
