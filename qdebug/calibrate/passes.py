"""The two passes over a piece of a batch: limits per channel, then counts and sums. Compiled or torch: equal counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.quantize import by_channel

try:
    from qdebug.calibrate import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

_PLANE = 32
"""Values per channel and sample from which a plane is reduced by itself; below it columns go side by side."""


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """Part of a batch in the order of memory.

    Attributes:
        values: ``[B, M]`` float32, contiguous.
        first: number of the first row.
        channels: how many there are.
        inner: consecutive values of one channel. Rows are planes, ``M = inner``, or samples, ``M = channels · inner``.
    """

    values: Tensor
    first: int
    channels: int
    inner: int

    @property
    def planes(self) -> bool:
        """Whether row r holds channel ``(first + r) % channels`` alone."""
        return self.values.shape[1] == self.inner and self.channels > 1


def pieces(x: Tensor, axis: int, most: int) -> list[Piece]:
    """The batch in pieces of about ``most`` values, whatever its strides; no copy where ``x`` is dense float32."""
    matrix, channels, inner = by_channel(x.detach().float(), axis)
    if inner >= _PLANE or channels == 1:
        matrix = matrix.view(-1, inner)
    step = max(1, most // matrix.shape[1])
    return [Piece(matrix[i : i + step], i, channels, inner) for i in range(0, matrix.shape[0], step)]


def limits(piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Smallest and largest finite value of each channel (+inf, −inf where it has none), and whether all are finite."""
    if kernels is None or piece.values.device.type != "cpu":
        return _limits_torch(piece)
    bits = piece.values.numpy().view(np.int32)
    size = piece.channels if piece.planes else bits.shape[1]
    low, high = np.full(size, 0x7FFFFFFF, np.int32), np.full(size, ~0x7FFFFFFF, np.int32)
    if piece.planes:
        kernels.plane_keys(bits, piece.first, low, high)
    else:
        kernels.column_keys(bits, low, high)
    least, most = _decode(low), _decode(high)
    seen = high >= low
    if not (np.isfinite(least) & np.isfinite(most))[seen].all():
        return _limits_torch(piece)
    least, most = np.where(seen, least, np.inf), np.where(seen, most, -np.inf)
    if not piece.planes:
        least, most = least.reshape(piece.channels, -1).min(1), most.reshape(piece.channels, -1).max(1)
    return least.astype(np.float32), most.astype(np.float32), True


def tally(x: Tensor, exponent: int, origin: int, bins: int) -> tuple[NDArray[np.int64], float, float, int]:
    """Counts per bin, sum, sum of squares and number of zeros of finite values that lie in the range of the bins."""
    inverse = 2.0**-exponent
    if kernels is not None and x.device.type == "cpu":
        tables = np.zeros((4, bins), np.int32)
        values = x.reshape(-1).numpy()
        kernels.count(values, np.float32(inverse), np.float32(origin), tables)
        return tables.sum(0, dtype=np.int64), *kernels.sums(values)
    places = torch.floor(x.reshape(-1) * inverse).long() - origin
    counts = torch.bincount(places, minlength=bins).cpu().numpy()
    exact = x.double()
    return counts, float(exact.sum()), float(exact.square().sum()), int((x == 0).sum())


def _decode(keys: NDArray[np.int32]) -> NDArray[np.float32]:
    return (keys ^ ((keys >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32) + np.float32(0.0)


def _limits_torch(piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    finite = torch.isfinite(piece.values)
    low = torch.where(finite, piece.values, torch.inf)
    high = torch.where(finite, piece.values, -torch.inf)
    if piece.planes:
        channel = (torch.arange(len(low), device=low.device) + piece.first) % piece.channels
        start = low.new_full((piece.channels,), torch.inf)
        least = start.scatter_reduce(0, channel, low.amin(1), "amin")
        most = (-start).scatter_reduce(0, channel, high.amax(1), "amax")
    else:
        least = low.amin(0).view(piece.channels, -1).amin(1)
        most = high.amax(0).view(piece.channels, -1).amax(1)
    return (least + 0.0).cpu().numpy(), (most + 0.0).cpu().numpy(), bool(finite.all())
