"""Functions of one tensor, value by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.kinds import by_numpy, is_wide
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten

_LOWERED = {
    "Exp": _aten.exp.default, "Sqrt": _aten.sqrt.default, "Reciprocal": _aten.reciprocal.default,
    "Log": _aten.log.default, "Erf": _aten.erf.default, "Neg": _aten.neg.default, "Sin": _aten.sin.default,
    "Cos": _aten.cos.default,
}  # fmt: skip
_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin, "Asinh": torch.asinh, "Atan": torch.atan,
    "Atanh": torch.atanh, "Ceil": torch.ceil, "Cosh": torch.cosh, "Floor": torch.floor, "Not": torch.logical_not,
    "Round": torch.round, "Sinh": torch.sinh, "Tan": torch.tan, "IsNaN": torch.isnan,
}  # fmt: skip
#: Those that NumPy computes for wide unsigned integers.
_INTEGER: dict[str, tuple[Callable[[Tensor], Tensor], Any]] = {
    "Abs": (torch.abs, np.abs), "Sign": (torch.sign, np.sign), "BitwiseNot": (torch.bitwise_not, np.bitwise_not),
}  # fmt: skip


def _register_lowered(name: str, target: Any) -> None:
    @lowering(name)
    def lower(builder: Builder, node: Node) -> tuple[int, ...] | None:
        return (builder.emit(target, builder.at(node, 0)).index,)


def _register_plain(name: str, function: Callable[[Tensor], Tensor]) -> None:
    @operator(name)
    def kernel(x: Tensor) -> Tensor:
        return function(x)


def _register_integer(name: str, function: Callable[[Tensor], Tensor], other: Any) -> None:
    @operator(name)
    def kernel(x: Tensor) -> Tensor:
        return by_numpy(other, x) if is_wide(x) else function(x)


for _name, _target in _LOWERED.items():
    _register_lowered(_name, _target)
for _name, _function in _PLAIN.items():
    _register_plain(_name, _function)
for _name, (_function, _other) in _INTEGER.items():
    _register_integer(_name, _function, _other)


@operator("IsInf", 10)
def is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    """Whether a value is infinite, of the signs that are asked for."""
    wide = x.float() if x.is_floating_point() and x.element_size() == 1 else x
    found = torch.isinf(wide)
    if not detect_negative:
        found &= wide > 0
    if not detect_positive:
        found &= wide < 0
    return found
