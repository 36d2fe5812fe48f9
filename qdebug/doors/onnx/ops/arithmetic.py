"""Arithmetic of two or more tensors, broadcast as NumPy does; of integers too."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.kinds import by_numpy, is_wide
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten
_WIDE = (4, 12, 13)
"""Wide unsigned integers, as element types."""
_FLOATS = (1, 10, 11, 16)

_BINARY: dict[str, tuple[Any, Any, Any]] = {
    "Add": (_aten.add.Tensor, torch.add, np.add), "Mul": (_aten.mul.Tensor, torch.mul, np.multiply),
    "Sub": (_aten.sub.Tensor, torch.sub, np.subtract),
}  # fmt: skip


def _register(name: str, target: Any, function: Callable[[Tensor, Tensor], Tensor], other: Any) -> None:
    @lowering(name, 7)
    def lower(builder: Builder, node: Node) -> tuple[int, ...] | None:
        if builder.elems.get(node.inputs[0], 0) in _WIDE:
            return None
        return (builder.emit(target, builder.at(node, 0), builder.at(node, 1)).index,)

    @operator(name, 7)
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return by_numpy(other, a, b) if is_wide(a) else function(a, b)


for _name, _three in _BINARY.items():
    _register(_name, *_three)


@lowering("Div", 7)
def lower_div(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A quotient of floats; that of integers, which is cut to an integer, is the kernel's."""
    if builder.elems.get(node.inputs[0], 0) not in _FLOATS:
        return None
    return (builder.emit(_aten.div.Tensor, builder.at(node, 0), builder.at(node, 1)).index,)


@operator("Div", 7)
def div(a: Tensor, b: Tensor) -> Tensor:
    """A quotient; that of integers is cut towards zero."""
    if is_wide(a):
        return by_numpy(np.floor_divide, a, b)
    if a.is_floating_point():
        return a / b
    # The least integer by -1 is no integer of that type, and processors stop at it: it wraps, as a negation does.
    turned = b == -1
    return torch.where(turned, -a, torch.div(a, b.masked_fill(turned, 1), rounding_mode="trunc"))


@operator("Mod", 10)
def mod(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    """The remainder, with the sign of the divisor, or of the dividend where ``fmod`` is set."""
    if is_wide(a):
        return by_numpy(np.fmod if fmod else np.mod, a, b)
    if fmod:
        return torch.fmod(a, b)
    rest = torch.remainder(a, b)
    # The sign of a remainder that is zero, and endless divisors (ONNX, Mod): as Python's % has them.
    return torch.where(rest == 0, torch.copysign(rest, b), rest) if a.is_floating_point() else rest


@lowering("Pow", 7)
def lower_pow(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A power of floats with a constant exponent; else the kernel computes it."""
    exponent = builder.constant(node, 1)
    if exponent is None or exponent.dim() or builder.elems.get(node.inputs[0], 0) not in _FLOATS:
        return None
    return (builder.emit(_aten.pow.Tensor_Scalar, builder.at(node, 0), exponent.item()).index,)


@operator("Pow", 7)
def power(base: Tensor, exponent: Tensor) -> Tensor:
    """A power, in the type of the base."""
    if is_wide(base, exponent):
        return by_numpy(np.power, base, exponent)
    if base.is_floating_point() or not exponent.is_floating_point():
        return torch.pow(base, exponent).to(base.dtype)
    return torch.pow(base.double(), exponent.double()).to(base.dtype)


@operator("BitShift", 11)
def bit_shift(x: Tensor, by: Tensor, *, direction: str) -> Tensor:
    """Bits moved; by a negative number of places, or as many as there are bits or more, all of them move out."""
    if is_wide(x):
        return by_numpy(_shifted_left if direction == "LEFT" else _shifted_right, x, by)
    last = 8 * x.element_size() - 1
    out = (by < 0) | (by > last)
    if direction == "LEFT":
        return torch.where(out, 0, x << by.clamp(0, last)).to(x.dtype)
    return torch.where(out, torch.where(x < 0, -1, 0), x >> by.clamp(0, last)).to(x.dtype)


def _shifted_left(x: Any, by: Any) -> Any:
    last = 8 * x.itemsize - 1
    return np.where(by > last, x.dtype.type(0), x << np.minimum(by, by.dtype.type(last)))


def _shifted_right(x: Any, by: Any) -> Any:
    last = 8 * x.itemsize - 1
    return np.where(by > last, x.dtype.type(0), x >> np.minimum(by, by.dtype.type(last)))


@operator("Sum", 6)
def total(*xs: Tensor) -> Tensor:
    """The sum of all inputs."""
    return reduce(torch.add, xs)


@operator("Mean", 6)
def mean(*xs: Tensor) -> Tensor:
    """The mean of all inputs."""
    return reduce(torch.add, xs) / len(xs)


@operator("Max", 6)
def largest(*xs: Tensor) -> Tensor:
    """The largest of all inputs, value by value; NaN where one is."""
    return reduce(lambda a, b: by_numpy(np.maximum, a, b) if is_wide(a) else torch.maximum(a, b), xs)


@operator("Min", 6)
def smallest(*xs: Tensor) -> Tensor:
    """The smallest of all inputs, value by value; NaN where one is."""
    return reduce(lambda a, b: by_numpy(np.minimum, a, b) if is_wide(a) else torch.minimum(a, b), xs)
