"""Comparison, logic, and bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.kinds import sortable
from qdebug.doors.onnx.registry import operator

_COMPARED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Equal": torch.eq, "Greater": torch.gt, "Less": torch.lt, "GreaterOrEqual": torch.ge, "LessOrEqual": torch.le,
}  # fmt: skip
_LOGICAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor, "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or, "BitwiseXor": torch.bitwise_xor,
}  # fmt: skip


def _register_compared(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name, 7)
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return function(sortable(a), sortable(b))


def _register_logical(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name, 7)
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return function(a, b)


for _name, _function in _COMPARED.items():
    _register_compared(_name, _function)
for _name, _function in _LOGICAL.items():
    _register_logical(_name, _function)


@operator("Where", 9)
def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``x`` where the condition holds, else ``y``."""
    return torch.where(condition, x, y)
