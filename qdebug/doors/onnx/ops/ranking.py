"""What depends on the order of values: the largest, the different ones, running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.kinds import movable, restored, sortable
from qdebug.doors.onnx.registry import operator


@operator("TopK")
def top_k_by_attribute(x: Tensor, *, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The largest values and their places (before opset 10)."""
    return _top(x, k, axis, True)


@operator("TopK", 10)
def top_k(
    x: Tensor, k: Tensor, *, axis: int = -1, largest: int = 1, sorted: int = 1  # noqa: A002
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The largest or smallest values along an axis, in order, and their places; of equal ones the first come first."""
    return _top(x, int(k.reshape(())), axis, bool(largest))


def _top(x: Tensor, k: int, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    keys = sortable(x)
    # torch.topk is many times faster and leaves open which of equal values it takes: it serves where none are equal.
    length = keys.shape[axis] if keys.dim() else 1
    if k < length // 4:
        best = keys.topk(k + 1, axis, largest)
        if not bool((best.values.narrow(axis, 1, k) == best.values.narrow(axis, 0, k)).any()):
            return _at(x, axis, best.indices.narrow(axis, 0, k))
    return _at(x, axis, keys.sort(dim=axis, descending=largest, stable=True).indices.narrow(axis, 0, k))


def _at(x: Tensor, axis: int, places: Tensor) -> tuple[Tensor, Tensor]:
    return restored(movable(x).gather(axis, places), x.dtype), places


def _register_arg(name: str, function: Callable[..., Tensor]) -> None:
    @operator(name)
    def kernel(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
        values = sortable(x)
        if not select_last_index:
            return function(values, axis, keepdim=bool(keepdims))
        return values.shape[axis] - 1 - function(values.flip(axis), axis, keepdim=bool(keepdims))


_register_arg("ArgMax", torch.argmax)
_register_arg("ArgMin", torch.argmin)


@operator("NonZero", 9)
def non_zero(x: Tensor) -> Tensor:
    """The places of all values that are not zero, in the order of memory, one column each."""
    return movable(x).nonzero().T


@operator("Unique", 11)
def unique(
    x: Tensor, *, axis: int | None = None, sorted: int = 1, outputs: list[bool]  # noqa: A002
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """The different values, or slices of one axis.

    Returns:
        them, in ascending order or that of their first occurrence; the places of their first occurrences; for each
        value of ``x`` its place among them; how often each occurs.
    """
    source, place = (x.reshape(-1), 0) if axis is None else (x, axis)
    keys, inverse, counts = torch.unique(sortable(source), dim=place, return_inverse=True, return_counts=True)
    count, length = keys.shape[place], source.shape[place]
    at = torch.arange(length, device=x.device)
    first = at.new_full((count,), length).scatter_reduce(0, inverse, at, "amin")
    if not sorted:
        order = first.argsort()
        rank = torch.empty_like(order).scatter(0, order, torch.arange(count, device=x.device))
        first, inverse, counts = first[order], rank[inverse], counts[order]
    results = (source.index_select(place, first), first, inverse, counts)
    return results[: len(outputs)] if len(outputs) > 1 else results[0]


def _register_running(name: str, since: int, function: Callable[..., Tensor], start: int) -> None:
    @operator(name, since)
    def kernel(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
        along: Any = int(axis.reshape(()))
        values = x.flip(along) if reverse else x
        if exclusive and x.shape[along]:
            edge = torch.full_like(values.narrow(along, 0, 1), start)
            values = torch.cat([edge, values.narrow(along, 0, x.shape[along] - 1)], along)
        running = function(values, along, dtype=x.dtype)
        return running.flip(along) if reverse else running


_register_running("CumSum", 11, torch.cumsum, 0)
_register_running("CumProd", 26, torch.cumprod, 1)
