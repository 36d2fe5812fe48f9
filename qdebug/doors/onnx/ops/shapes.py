"""Shapes asked for and changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.sizes import checked
from qdebug.doors.onnx.registry import operator


@operator("Shape")
def shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """The sizes of the axes from ``start`` up to ``end``, int64."""
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


@operator("Size")
def size(x: Tensor) -> Tensor:
    """The number of elements, int64."""
    return torch.tensor(x.numel(), dtype=torch.int64)


@operator("Reshape", 5)
def reshape(x: Tensor, sizes: Tensor, *, allowzero: int = 0) -> Tensor:
    """Other axes of the same values; a zero keeps the axis in its place, unless ``allowzero`` is set."""
    wanted = sizes.tolist()
    kept = [] if allowzero else [axis for axis, one in enumerate(wanted) if one == 0]
    if -1 in wanted and not x.numel():  # torch leaves open what is left over of nothing
        rest = math.prod(size for axis, size in enumerate(x.shape) if axis not in kept)
        wanted[wanted.index(-1)] = rest // max(math.prod(one for one in wanted if one > 0), 1)
    for axis in kept:
        wanted[axis] = x.shape[axis]
    return x.reshape(wanted)


@operator("Flatten")
def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """A matrix: the axes before ``axis``, and the others."""
    start = axis if axis >= 0 else axis + x.dim()
    return x.reshape(math.prod(x.shape[:start]), math.prod(x.shape[start:]))


def rows(x: Tensor) -> Tensor:
    """A matrix: the first axis, and all others as one."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@operator("Squeeze")
def squeeze_by_attribute(x: Tensor, *, axes: Sequence[int] | None = None) -> Tensor:
    """Without axes of size one: those named, or all."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("Squeeze", 13)
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without axes of size one: those named, or all."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes.reshape(-1).tolist()))


@operator("Unsqueeze")
def unsqueeze_by_attribute(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """With new axes of size one; ``axes`` are places in the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Unsqueeze", 13)
def unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    """With new axes of size one; ``axes`` are places in the result."""
    return unsqueeze_by_attribute(x, axes=axes.reshape(-1).tolist())


@operator("Expand", 8)
def expand(x: Tensor, sizes: Tensor) -> Tensor:
    """Repeated along axes of size one, until it has the shape that it and ``sizes`` broadcast to."""
    return x.expand(checked(torch.broadcast_shapes(x.shape, checked(sizes.tolist()))))


@operator("Tile", 6)
def tile(x: Tensor, repeats: Tensor) -> Tensor:
    """Repeated along each axis."""
    times = checked(repeats.tolist())
    checked(one * length for one, length in zip(times, x.shape, strict=True))
    return x.repeat(times)


@operator("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Channels moved into blocks of places."""
    n, c, h, w = x.shape
    inner = c // blocksize**2
    if mode == "DCR":
        parts = x.reshape(n, blocksize, blocksize, inner, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, inner, blocksize, blocksize, h, w).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, inner, h * blocksize, w * blocksize)


@operator("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Blocks of places moved into channels."""
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize)
    parts = parts.permute(0, 3, 5, 1, 2, 4) if mode == "DCR" else parts.permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(n, c * blocksize**2, h // blocksize, w // blocksize)
