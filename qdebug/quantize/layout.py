"""How tensors lie in memory, and how values are put in rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def flat(x: Tensor) -> Tensor | None:
    """All values of a dense tensor in the order of memory, as a view ``[numel]``; None where it is not dense.

    Dense means: no two elements share a place and there are no gaps (contiguous, channels-last, transposed ...).
    """
    if x.is_contiguous():
        return x.view(-1)
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):  # next to always, and quick to see
        return x.as_strided((x.numel(),), (1,))
    expected = 1
    for stride, length in sorted((s, n) for s, n in zip(x.stride(), x.shape, strict=True) if n != 1):
        if stride != expected:
            return None
        expected *= length
    return x.as_strided((x.numel(),), (1,))


def rows(w: Tensor, out_axis: int) -> Tensor:
    """A weight as ``[output channels, input features]``; a view where memory allows.

    Convolutions ``[O, I, kH, kW]`` give ``[O, I·kH·kW]``, flattened as in GPTQ (Frantar et al. 2023).
    """
    moved = w.movedim(out_axis, 0)
    return moved.reshape(moved.shape[0], math.prod(moved.shape[1:]))


def from_rows(values: Tensor, like: Tensor, out_axis: int) -> Tensor:
    """The inverse of :func:`rows`: a new tensor in the shape and strides of ``like``."""
    moved = like.movedim(out_axis, 0)
    result = torch.empty_like(like, dtype=values.dtype)
    result.copy_(values.reshape(moved.shape).movedim(0, out_axis))
    return result


def groups(columns: int, size: int) -> int:
    """How many groups of ``size`` make a row of ``columns`` values; the last may be shorter."""
    return max(1, math.ceil(columns / size))


def memory_order(x: Tensor) -> list[int]:
    """The axes of a tensor from the slowest to the fastest in memory."""
    return sorted(range(x.dim()), key=lambda axis: (-x.stride(axis), axis))


def by_channel(x: Tensor, axis: int, order: list[int] | None = None) -> tuple[Tensor, int, int]:
    """The values as ``[outer, channels, inner]`` in the order of memory: no copy where ``x`` is dense.

    Args:
        x: any strides.
        axis: the axis of channels.
        order: the order of axes to lay the values out in; that of ``x``'s memory by default.

    Returns:
        A contiguous tensor ``[outer, channels · inner]``, and the number of channels and of values of one in a row.
    """
    place, laid = axis % x.dim(), x
    if order is not None or not x.is_contiguous():
        order = memory_order(x) if order is None else order
        place, laid = order.index(place), x.permute(order).contiguous()
    channels, inner = laid.shape[place], laid.shape[place + 1 :].numel()
    return laid.view(-1, channels * inner), channels, inner
