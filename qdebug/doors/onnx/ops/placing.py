"""Values written to places: scatter and its kin. Each gives a new tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.kinds import movable, restored
from qdebug.doors.onnx.ops.picking import from_front
from qdebug.doors.onnx.registry import operator

_TORCH = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator("Scatter", 9)
def scatter(x: Tensor, index: Tensor, updates: Tensor, *, axis: int = 0) -> Tensor:
    """Values written to places of one axis (before opset 11)."""
    return scatter_elements(x, index, updates, axis=axis)


@operator("ScatterElements", 11)
def scatter_elements(x: Tensor, index: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none") -> Tensor:
    """Each update written to its own place, with the index in one axis."""
    return _written(x, axis, from_front(index, x.shape[axis]), updates, reduction)


@operator("ScatterND", 11)
def scatter_nd(x: Tensor, index: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    """Slices written to places: the last axis of ``index`` holds a place in the first axes."""
    front = x.shape[: index.shape[-1]]
    strides = torch.tensor([math.prod(front[axis + 1 :]) for axis in range(len(front))], device=x.device)
    sizes = torch.tensor(list(front), device=x.device)
    whole = index.reshape(-1, len(front)).to(torch.int64)
    flat = (torch.where(whole < 0, whole + sizes, whole) * strides).sum(-1)
    inner = math.prod(x.shape[len(front) :])
    places = flat[:, None].expand(len(flat), inner)
    matrix = x.reshape(math.prod(front), inner)
    return _written(matrix, 0, places, updates.reshape(len(flat), inner), reduction).reshape(x.shape)


@operator("TensorScatter", 24)
def tensor_scatter(
    past: Tensor, update: Tensor, first: Tensor | None = None, *, axis: int = -2, mode: str = "linear"
) -> Tensor:  # fmt: skip
    """A cache with an update written behind each sample's first place, or around its end where it is circular."""
    place = axis % past.dim()
    start = torch.zeros(len(past), dtype=torch.int64, device=past.device) if first is None else first.to(torch.int64)
    at = start[:, None] + torch.arange(update.shape[place], device=past.device)
    if mode == "circular":
        at = at % past.shape[place]
    shape = [size if along in (0, place) else 1 for along, size in enumerate(update.shape)]
    return _written(past, place, at.reshape(shape).expand(update.shape), update, "none")


def _written(x: Tensor, axis: int, index: Tensor, updates: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return restored(movable(x).scatter(axis, index, movable(updates)), x.dtype)
    return x.scatter_reduce(axis, index, updates, _TORCH[reduction], include_self=True)
