"""Values taken from places: gather, slice, split, and what is built of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.kinds import movable, restored
from qdebug.doors.onnx.registry import operator


def from_front(index: Tensor, length: int) -> Tensor:
    """Indices with negative ones, which count from the end, turned into those from the front; int64."""
    whole = index.to(torch.int64)
    return torch.where(whole < 0, whole + length, whole)


@operator("Gather")
def gather(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    """Slices of one axis; the axes of ``index`` stand in its place."""
    place = axis % x.dim()
    flat = from_front(index, x.shape[place]).reshape(-1).to(x.device)
    taken = x.index_select(place, flat)
    return taken.reshape((*x.shape[:place], *index.shape, *x.shape[place + 1 :]))


@operator("GatherElements", 11)
def gather_elements(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    """For each place of ``index`` the value at that place, with the index in one axis."""
    return restored(movable(x).gather(axis, from_front(index, x.shape[axis])), x.dtype)


@operator("GatherND", 11)
def gather_nd(x: Tensor, index: Tensor, *, batch_dims: int = 0) -> Tensor:
    """Slices of several axes: the last axis of ``index`` holds a place in the axes behind the first ``batch_dims``."""
    rank = index.dim() - 1
    batch = [
        torch.arange(x.shape[axis], device=x.device).reshape([-1 if at == axis else 1 for at in range(rank)])
        for axis in range(batch_dims)
    ]
    return x[(*batch, *index.unbind(-1))]


@operator("Slice", 1)
def slice_by_attributes(
    x: Tensor, *, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None = None
) -> Tensor:  # fmt: skip
    """A box of a tensor (before opset 10)."""
    return sliced(x, starts, ends, axes, None)


@operator("Slice", 10)
def slice_(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:  # fmt: skip
    """A box of a tensor, with steps."""
    along, strides = (None if one is None else one.tolist() for one in (axes, steps))
    return sliced(x, starts.tolist(), ends.tolist(), along, strides)


def sliced(
    x: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None, steps: Sequence[int] | None
) -> Tensor:  # fmt: skip
    """``x[start:end:step]`` along each axis, as Python has it; steps may be negative."""
    along = range(len(starts)) if axes is None else axes
    index, turned = [slice(None)] * x.dim(), []
    for start, end, axis, step in zip(starts, ends, along, steps or [1] * len(starts), strict=True):
        taken = range(*slice(start, end, step).indices(x.shape[axis]))
        if step < 0:
            turned.append(axis)
            taken = taken[::-1]
        index[axis] = slice(taken.start, taken.stop, taken.step) if len(taken) else slice(0, 0)
    box = x[tuple(index)]
    return box.flip(turned) if turned else box


@operator("Split", 2)
def split_by_attribute(
    x: Tensor, *, axis: int = 0, split: Sequence[int] | None = None, outputs: list[bool]
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Parts along an axis: of the given sizes, or equal ones (before opset 13)."""
    return _parts(x, axis, list(split) if split else None, len(outputs))


@operator("Split", 13)
def split_(
    x: Tensor, sizes: Tensor | None = None, *, axis: int = 0, num_outputs: int | None = None, outputs: list[bool]
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Parts along an axis: of the given sizes, or equal ones, the last of which may be smaller."""
    return _parts(x, axis, None if sizes is None else sizes.tolist(), len(outputs))


def _parts(x: Tensor, axis: int, sizes: list[int] | None, count: int) -> Tensor | tuple[Tensor, ...]:
    if sizes is None:
        length = x.shape[axis]
        whole = -(-length // count)
        sizes = [max(min(whole, length - place * whole), 0) for place in range(count)]
    parts = x.split(sizes, axis)
    return parts if count > 1 else parts[0]


@operator("Compress", 9)
def compress(x: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    """Slices of one axis, or single values, where the condition holds; it may be shorter than the axis."""
    taken = condition.reshape(-1).nonzero().reshape(-1)
    return x.reshape(-1)[taken] if axis is None else x.index_select(axis, taken)


@operator("ReverseSequence", 10)
def reverse_sequence(x: Tensor, lengths: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    """The first ``lengths[b]`` steps of each sequence in reverse order, the others as they are."""
    batch, time = batch_axis % x.dim(), time_axis % x.dim()
    at = torch.arange(x.shape[time], device=x.device)
    count = lengths[:, None].to(torch.int64)
    source = torch.where(at < count, count - 1 - at, at)
    if batch > time:
        source = source.T
    index = source.reshape([size if axis in (batch, time) else 1 for axis, size in enumerate(x.shape)])
    return restored(movable(x).gather(time, index.expand(x.shape)), x.dtype)
