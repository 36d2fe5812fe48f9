"""Poolings: the highest, the mean or the norm of each window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.windows import halves, ones, padded, placed, taps
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten
_FLOATS = (1, 10, 11, 16)


def _plain(builder: Builder, node: Node) -> tuple[list[int], list[int], list[int], list[int], bool] | None:
    """Kernel, strides, padding, dilations and ceiling of a pooling of float images that torch has an operator for."""
    attributes = node.attributes
    kernel = list(attributes.get("kernel_shape", ()))  # type: ignore[arg-type]
    auto = attributes.get("auto_pad", "NOTSET")
    wanted = sum(1 for name in node.outputs if name)
    if len(kernel) != 2 or wanted > 1 or builder.elems.get(node.inputs[0], 0) not in _FLOATS:
        return None
    sides = [0, 0] if auto == "VALID" else halves(attributes.get("pads", (0, 0, 0, 0)))  # type: ignore[arg-type]
    if auto not in ("NOTSET", "VALID", "") or sides is None:
        return None
    # torch takes padding of at most half a window
    if any(2 * side > width for side, width in zip(sides, kernel, strict=True)):
        return None
    strides, dilations = (ones(attributes.get(name), 2) for name in ("strides", "dilations"))  # type: ignore[arg-type]
    return kernel, strides, sides, dilations, bool(attributes.get("ceil_mode", 0))


@lowering("MaxPool")
def lower_max_pool(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The highest of each window of an image, where padding is plain and nobody asks for places."""
    found = _plain(builder, node)
    if found is None:
        return None
    kernel, strides, sides, dilations, ceil = found
    return (builder.emit(
        _aten.max_pool2d.default, builder.at(node, 0), kernel, strides, sides, dilations, ceil
    ).index,)  # fmt: skip


@lowering("AveragePool")
def lower_average_pool(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The mean of each window of an image, where padding is plain."""
    found = _plain(builder, node)
    if found is None or any(one != 1 for one in found[3]):
        return None
    kernel, strides, sides, _, ceil = found
    counts = bool(node.attributes.get("count_include_pad", 0))
    return (builder.emit(
        _aten.avg_pool2d.default, builder.at(node, 0), kernel, strides, sides, ceil, counts
    ).index,)  # fmt: skip


@operator("MaxPool")
def max_pool(
    x: Tensor, *, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int], pads: Sequence[int] | None = None, storage_order: int = 0,
    strides: Sequence[int] | None = None, outputs: list[bool],
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """The highest of each window, and on request where it lies in the flattened input."""
    steps, spread = ones(strides, len(kernel_shape)), ones(dilations, len(kernel_shape))
    sides, _ = placed(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad, bool(ceil_mode))
    wide = x if x.is_floating_point() else x.double()
    wide = padded(wide, sides, -math.inf)
    run: Any = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel_shape) - 1]
    if len(outputs) < 2:
        return run(wide, list(kernel_shape), steps, 0, spread).to(x.dtype)
    best, flat = run(wide, list(kernel_shape), steps, 0, spread, return_indices=True)
    return best.to(x.dtype), _places(flat, wide.shape[2:], x, sides, storage_order == 1)


def _places(flat: Tensor, wide: Sequence[int], x: Tensor, sides: Sequence[int], by_columns: bool) -> Tensor:
    """Places in a padded image as places in the flattened whole input."""
    sizes = list(x.shape[2:])
    coordinates, rest = [], flat
    for size in reversed(wide):
        coordinates.append(rest % size)
        rest = rest // size
    coordinates = [place - side for place, side in zip(reversed(coordinates), sides, strict=False)]
    order = list(reversed(range(len(sizes)))) if by_columns else list(range(len(sizes)))
    inside = torch.zeros_like(flat)
    for axis in order:
        inside = inside * sizes[axis] + coordinates[axis]
    count = math.prod(sizes)
    images = torch.arange(x.shape[0] * x.shape[1], device=x.device) * count
    return inside + images.reshape(*x.shape[:2], *[1] * len(sizes))


@operator("AveragePool")
def average_pool(
    x: Tensor, *, auto_pad: str = "NOTSET", ceil_mode: int = 0, count_include_pad: int = 0,
    dilations: Sequence[int] | None = None, kernel_shape: Sequence[int], pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window, over what lies in the input, or over its declared padding as well."""
    steps, spread = ones(strides, len(kernel_shape)), ones(dilations, len(kernel_shape))
    sides, declared = placed(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad, bool(ceil_mode))
    total = _sums(padded(x, sides), kernel_shape, steps, spread)
    count = len(kernel_shape)
    for axis in range(count):
        size, begin, end = x.shape[2 + axis], declared[axis], declared[count + axis]
        low, high = (-begin, size + end) if count_include_pad else (0, size)
        first = torch.arange(total.shape[2 + axis], device=x.device).unsqueeze(1) * steps[axis] - begin
        place = first + torch.arange(kernel_shape[axis], device=x.device) * spread[axis]
        within = ((place >= low) & (place < high)).sum(1).clamp(min=1).to(total.dtype)
        total = total / within.reshape(-1, *[1] * (count - 1 - axis))
    return total


def _sums(x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Tensor:
    """The sum of each window of a padded input."""
    if all(one == 1 for one in dilations) and len(kernel) <= 3:
        run: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
        return run(x, list(kernel), list(strides)) * math.prod(kernel)
    return taps(x, kernel, strides, dilations).sum(list(range(-len(kernel), 0)))


@operator("LpPool")
def lp_pool(
    x: Tensor, *, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int], p: int = 2, pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """The p-norm of each window."""
    steps, spread = ones(strides, len(kernel_shape)), ones(dilations, len(kernel_shape))
    sides, _ = placed(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad, bool(ceil_mode))
    powers = padded(x.abs().pow(p), sides)
    return _sums(powers, kernel_shape, steps, spread).pow(1 / p)


@operator("GlobalLpPool")
def global_lp_pool(x: Tensor, *, p: int = 2) -> Tensor:
    """The p-norm over all axes behind the channels, kept as axes of size one."""
    return x.abs().pow(p).sum(list(range(2, x.dim())), keepdim=True).pow(1 / p)


@operator("GlobalMaxPool")
def global_max_pool(x: Tensor) -> Tensor:
    """The highest over all axes behind the channels, kept as axes of size one."""
    return x.amax(list(range(2, x.dim())), keepdim=True)


@operator("MaxUnpool")
def max_unpool(
    x: Tensor, places: Tensor, output_shape: Tensor | None = None, *, kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Values where MaxPool found them, zeros elsewhere; a larger output has further zeros at its ends."""
    count = len(kernel_shape)
    steps, sides = ones(strides, count), list(pads or [0] * (2 * count))
    sizes = [
        (x.shape[2 + axis] - 1) * steps[axis] + kernel_shape[axis] - sides[axis] - sides[count + axis]
        for axis in range(count)
    ]
    shape = [*x.shape[:2], *sizes]
    flat = torch.zeros(math.prod(shape), dtype=x.dtype, device=x.device)
    whole = flat.scatter(0, places.reshape(-1).long(), x.reshape(-1)).reshape(shape)
    if output_shape is None:
        return whole
    more = [want - have for want, have in zip(output_shape.tolist()[2:], sizes, strict=True)]
    return padded(whole, [0] * count + more)
