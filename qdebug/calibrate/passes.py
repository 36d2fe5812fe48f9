"""A batch in pieces, and the limits of each channel in a piece."""

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
        inner: consecutive values of one channel.
        planes: whether a row is a plane, of channel ``(first + r) % channels``, or holds all channels side by side.
    """

    values: Tensor
    first: int
    channels: int
    inner: int
    planes: bool


def pieces(x: Tensor, axis: int, most: int) -> list[Piece]:
    """The batch in pieces of about ``most`` values, whatever its strides; no copy where ``x`` is dense float32."""
    matrix, channels, inner = by_channel(x.detach().float(), axis)
    planes = inner >= _PLANE or channels == 1
    if planes:
        matrix = matrix.view(-1, inner)
    rows, step = matrix.shape[0], max(1, most // matrix.shape[1])
    if rows <= step:
        return [Piece(matrix, 0, channels, inner, planes)]
    return [Piece(matrix[i : i + step], i, channels, inner, planes) for i in range(0, rows, step)]


def limits(piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Smallest and largest finite value of each channel (+inf, −inf where it has none), and whether all are finite."""
    if kernels is not None and piece.values.device.type == "cpu":
        bits = piece.values.numpy().view(np.int32)
        low, high = np.empty(piece.channels, np.float32), np.empty(piece.channels, np.float32)
        if kernels.limits(bits, piece.first, piece.inner, piece.planes, low, high):
            return low, high, True
    return _limits_torch(piece)


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
