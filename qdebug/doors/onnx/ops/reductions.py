"""Reductions over axes, which are an attribute up to opset 17 (ReduceSum: 12) and an input from then on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten
Reduction = Callable[[Tensor, list[int]], Tensor]
"""Over the given axes, at least one, which are kept as axes of size one."""


def _sum(x: Tensor, axes: list[int]) -> Tensor:
    return x.sum(axes, keepdim=True, dtype=x.dtype)


def _mean(x: Tensor, axes: list[int]) -> Tensor:
    if x.is_floating_point():
        return x.mean(axes, keepdim=True)
    count = math.prod(x.shape[axis] for axis in axes)
    return torch.div(x.sum(axes, keepdim=True), count, rounding_mode="trunc").to(x.dtype)


def _prod(x: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        x = x.prod(axis, keepdim=True, dtype=x.dtype)
    return x


def _max(x: Tensor, axes: list[int]) -> Tensor:
    return _extreme(x, axes, torch.amax, largest=False)


def _min(x: Tensor, axes: list[int]) -> Tensor:
    return _extreme(x, axes, torch.amin, largest=True)


def _extreme(x: Tensor, axes: list[int], function: Callable[..., Tensor], *, largest: bool) -> Tensor:
    """An extreme; over nothing it is the other end of the type's range."""
    if all(x.shape[axis] for axis in axes):
        return function(x, axes, keepdim=True)
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    if x.dtype == torch.bool:
        return torch.full(sizes, largest, device=x.device)
    if x.is_floating_point():
        end = math.inf if largest else -math.inf
        return torch.full(sizes, end, dtype=x.dtype, device=x.device)
    bounds = torch.iinfo(x.dtype)
    return torch.full(sizes, bounds.max if largest else bounds.min, dtype=x.dtype, device=x.device)


def _log_sum_exp(x: Tensor, axes: list[int]) -> Tensor:
    return torch.logsumexp(x if x.is_floating_point() else x.double(), axes, keepdim=True).to(x.dtype)


def _identity(x: Tensor) -> Tensor:
    return x


def _root(x: Tensor) -> Tensor:
    return x.sqrt() if x.is_floating_point() else x.double().sqrt().to(x.dtype)


def _log(x: Tensor) -> Tensor:
    return x.log() if x.is_floating_point() else x.double().log().to(x.dtype)


#: What is done to each value, the reduction, and what is done to its result.
_REDUCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Reduction, Callable[[Tensor], Tensor]]] = {
    "ReduceSum": (_identity, _sum, _identity), "ReduceMean": (_identity, _mean, _identity),
    "ReduceProd": (_identity, _prod, _identity), "ReduceMax": (_identity, _max, _identity),
    "ReduceMin": (_identity, _min, _identity), "ReduceL1": (torch.abs, _sum, _identity),
    "ReduceL2": (torch.square, _sum, _root), "ReduceSumSquare": (torch.square, _sum, _identity),
    "ReduceLogSum": (_identity, _sum, _log), "ReduceLogSumExp": (_identity, _log_sum_exp, _identity),
}  # fmt: skip


def _register(
    name: str, before: Callable[[Tensor], Tensor], over: Reduction, after: Callable[[Tensor], Tensor]
) -> None:
    def reduced(x: Tensor, axes: Sequence[int], keepdims: int, noop: int) -> Tensor:
        if noop and not axes:
            return after(before(x))
        along = [axis % x.dim() for axis in axes] if axes and x.dim() else list(range(x.dim()))
        result = after(over(before(x), along) if along else before(x))
        return result if keepdims or not along else result.squeeze(tuple(along))

    @operator(name)
    def by_attribute(x: Tensor, *, axes: Sequence[int] = (), keepdims: int = 1) -> Tensor:
        return reduced(x, axes, keepdims, 0)

    @operator(name, 13 if name == "ReduceSum" else 18)
    def by_input(
        x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:  # fmt: skip
        return reduced(x, () if axes is None else axes.tolist(), keepdims, noop_with_empty_axes)


for _name, _three in _REDUCTIONS.items():
    _register(_name, *_three)


@lowering("ReduceMean")
def lower_mean(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The mean of floats over constant axes under torch's own name: what patterns look for."""
    known = builder.constant(node, 1)
    given = node.attributes.get("axes") if known is None else known.tolist()
    computed = known is None and builder.at(node, 1) is not None
    if computed or not given or builder.elems.get(node.inputs[0], 0) not in (1, 10, 11, 16):
        return None
    keep = bool(node.attributes.get("keepdims", 1))
    return (builder.emit(_aten.mean.dim, builder.at(node, 0), list(given), keep).index,)  # type: ignore[arg-type]
