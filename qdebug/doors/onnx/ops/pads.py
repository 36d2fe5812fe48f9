"""Padding and cropping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.kinds import movable, restored
from qdebug.doors.onnx.ops.sizes import checked
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten
_USUAL_PADDING = 2**16
"""Beyond it the kernel looks at the size of the result first."""


@operator("Pad", 2)
def pad_by_attributes(x: Tensor, *, pads: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Values added around a tensor, or taken away (before opset 11)."""
    return _padded(x, pads, range(x.dim()), mode, value)


@operator("Pad", 11)
def pad(
    x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None, *, mode: str = "constant"
) -> Tensor:  # fmt: skip
    """Values added around a tensor, or taken away where ``pads`` are negative.

    Args:
        x: any tensor.
        pads: beginnings of all axes, then ends.
        value: of ``constant``; zero where left out.
        axes: which axes; all where left out.
        mode: ``constant``, ``reflect`` without the edge, ``edge`` repeated, or ``wrap`` around.
    """
    along = range(x.dim()) if axes is None else [axis % x.dim() for axis in axes.tolist()]
    return _padded(x, pads.tolist(), along, mode, 0 if value is None else value)


@lowering("Pad", 11)
def lower_pad(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A constant around all axes by a known number of places; else the kernel computes it."""
    pads, value = builder.constant(node, 1), builder.constant(node, 2)
    if pads is None or builder.at(node, 3) is not None or node.attributes.get("mode", "constant") != "constant":
        return None
    if (value is None and builder.at(node, 2) is not None) or builder.elems.get(node.inputs[0], 0) not in (1, 10, 16):
        return None
    sides = pads.tolist()
    half = len(sides) // 2
    order = [sides[place] for axis in reversed(range(half)) for place in (axis, half + axis)]
    if any(side < 0 or side > _USUAL_PADDING for side in order):
        return None
    fill = 0 if value is None else value.reshape(()).item()
    return (builder.emit(_aten.constant_pad_nd.default, builder.at(node, 0), order, fill).index,)


def _padded(x: Tensor, pads: Sequence[int], axes: Sequence[int], mode: str, value: Tensor | float) -> Tensor:
    sides = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    checked(size + sum(sides.get(axis, (0, 0))) for axis, size in enumerate(x.shape))
    if mode != "constant":
        if _is_framed(x, sides, mode):
            around = [side for axis in reversed(range(2, x.dim())) for side in sides.get(axis, (0, 0))]
            return F.pad(x, around, mode={"edge": "replicate"}.get(mode, mode))
        for axis, (begin, end) in sides.items():
            if begin or end:
                x = x.index_select(axis, _source(x.shape[axis], begin, end, mode, x.device))
        return x
    order = [side for axis in reversed(range(x.dim())) for side in sides.get(axis, (0, 0))]
    fill = movable(torch.as_tensor(value).reshape(()).to(x.dtype)).item()
    return restored(F.pad(movable(x), order, value=fill), x.dtype)


def _is_framed(x: Tensor, sides: Mapping[int, tuple[int, int]], mode: str) -> bool:
    """Whether torch has a faster operator: it adds to the axes behind the channels, less than is there."""
    if mode not in ("reflect", "edge") or x.dim() not in (3, 4, 5) or x.dtype not in (torch.float32, torch.float64):
        return False
    return all(0 <= side < x.shape[axis] and (axis > 1 or side == 0) for axis, pair in sides.items() for side in pair)


def _source(size: int, begin: int, end: int, mode: str, device: torch.device) -> Tensor:
    """Where each place of a padded axis has its value from."""
    place = torch.arange(-begin, size + end, device=device)
    if mode == "edge":
        return place.clamp(0, size - 1)
    if mode == "wrap":
        return place.remainder(size)
    period = max(2 * (size - 1), 1)
    place = place.remainder(period)
    return torch.where(place >= size, period - place, place)


@operator("CenterCropPad", 18)
def center_crop_pad(x: Tensor, sizes: Tensor, *, axes: Sequence[int] | None = None) -> Tensor:
    """The middle of a tensor, or zeros around it, until the axes have the given sizes."""
    along = range(x.dim()) if axes is None else [axis % x.dim() for axis in axes]
    begins, ends = [], []
    for axis, wanted in zip(along, checked(sizes.tolist()), strict=True):
        more = wanted - x.shape[axis]
        # An odd place goes to the end: cropped from behind, added behind.
        begin = more // 2 if more > 0 else -(-more // 2)
        begins.append(begin)
        ends.append(more - begin)
    return _padded(x, [*begins, *ends], along, "constant", 0)
