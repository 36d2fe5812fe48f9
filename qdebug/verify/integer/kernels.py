"""The integer kernels as operators of a domain of their own, with the inputs of ONNX Runtime's operators."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.ops.windows import ones, padded, placed, same_pads, taps
from qdebug.doors.onnx.registry import operator
from qdebug.quantize import integer

DOMAIN = "qdebug.integer"
IN_UINT8 = "qdebug.integer.uint8"
"""The same where int8 codes are computed as uint8."""
RAISED = 128
OPERATORS = frozenset({
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "QLinearAdd", "QLinearMul", "QLinearConcat",
    "QLinearWhere", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearAveragePool",
    "QLinearGlobalAveragePool",
})  # fmt: skip
"""What a file written with operators on codes can hold of them."""


def _zero(zero: Tensor | None, like: Tensor) -> Tensor:
    """A zero point of one value; zero of the codes' type where it is left out."""
    return torch.zeros((), dtype=like.dtype, device=like.device) if zero is None else zero.reshape(())


def _raised(x: Tensor | None) -> Tensor | None:
    """int8 codes or zero points as uint8, 128 higher."""
    return (x.to(torch.int16) + RAISED).to(torch.uint8) if x is not None and x.dtype == torch.int8 else x


def _lowered(x: Tensor, y_zero: Tensor | None) -> Tensor:
    """Codes in the type of a zero point, where they were computed 128 higher."""
    if y_zero is None or y_zero.dtype != torch.int8:
        return x
    return (x.to(torch.int16) - RAISED).to(torch.int8)


def _register_in_uint8(name: str, kernel: Callable[..., Tensor]) -> None:
    """Register a kernel a second time, for int8 codes that are computed as uint8, 128 higher.

    Where the zero point is added before rounding, that decides what becomes of sums half-way between codes.
    """
    place = list(inspect.signature(kernel).parameters).index("y_zero")

    @functools.wraps(kernel)
    def raised(*inputs: Tensor | None, **attributes: Any) -> Tensor:
        return _lowered(kernel(*map(_raised, inputs), **attributes), inputs[place])

    operator(name, domain=IN_UINT8)(raised)


def _affine(scale: Tensor, zero: Tensor | None, like: Tensor) -> integer.Affine:
    """The one scale of a tensor."""
    return integer.Affine(scale.reshape(()), _zero(zero, like))


def _along(parameter: Tensor, rank: int, axis: int) -> Tensor:
    """One value, or one per index of an axis, in a shape that broadcasts."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def _centred(x: Tensor, zero: Tensor | None, axis: int = 0) -> Tensor:
    """Codes less their zero points, whole float32."""
    return x.float() if zero is None else x.float() - _along(zero, x.dim(), axis).float()


def _with_bias(total: Tensor, bias: Tensor | None, rank: int, axis: int) -> Tensor:
    if bias is None:
        return total
    return total.double() + (bias if bias.dim() > 1 else _along(bias, rank, axis)).double()


@operator("QLinearConv", domain=DOMAIN)
def qlinear_conv(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, weight: Tensor, weight_scale: Tensor,
    weight_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor, bias: Tensor | None = None, *,
    auto_pad: str = "NOTSET", dilations: Sequence[int] | None = None, group: int = 1,
    kernel_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A convolution of codes to codes."""
    axes = weight.dim() - 2
    steps, spread, sides = ones(strides, axes), ones(dilations, axes), list(pads or [0] * (2 * axes))
    if auto_pad.startswith("SAME"):
        sides = same_pads(x.shape[2:], weight.shape[2:], steps, spread, auto_pad == "SAME_UPPER")
    elif auto_pad == "VALID":
        sides = [0] * (2 * axes)
    windows = integer.Windows(tuple(steps), tuple(spread), tuple(sides), group)
    total = integer.convolution_sums(_centred(x, x_zero), _centred(weight, weight_zero), windows)
    scale = _along(x_scale.reshape(()) * weight_scale / y_scale.reshape(()), x.dim(), 1)
    return integer.requantize(_with_bias(total, bias, x.dim(), 1), scale, _zero(y_zero, x))


@operator("QLinearMatMul", domain=DOMAIN)
def qlinear_matmul(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
    y_scale: Tensor, y_zero: Tensor,
) -> Tensor:  # fmt: skip
    """A matrix product of codes to codes."""
    total = integer.matrix_sums(_centred(a, a_zero, -2), _centred(b, b_zero, -1))
    scale = _along(a_scale.reshape(()) * b_scale / y_scale.reshape(()), total.dim(), -1)
    return integer.requantize(total, scale, _zero(y_zero, a))


@operator("QGemm", domain=DOMAIN)
def qgemm(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
    c: Tensor | None = None, y_scale: Tensor | None = None, y_zero: Tensor | None = None, *, alpha: float = 1.0,
    transA: int = 0, transB: int = 0,  # noqa: N803
) -> Tensor:  # fmt: skip
    """``alpha · a b + c`` of codes, to codes where an output scale is given, else to numbers."""
    left, right = _centred(a, a_zero), _centred(b, b_zero, 0 if transB else 1)
    total = integer.matrix_sums(left.mT if transA else left, right.mT if transB else right)
    total = _with_bias(total, c, total.dim(), -1)
    scale = _along(torch.tensor(alpha, device=a.device) * a_scale.reshape(()) * b_scale, total.dim(), -1)
    if y_scale is None:
        return integer.scaled(total, scale)
    return integer.requantize(total, scale / y_scale.reshape(()), _zero(y_zero, a))


@operator("MatMulIntegerToFloat", domain=DOMAIN)
def matmul_integer_to_float(
    a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor, a_zero: Tensor | None = None,
    b_zero: Tensor | None = None, bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A matrix product of codes to numbers."""
    total = integer.matrix_sums(_centred(a, a_zero, -2), _centred(b, b_zero, -1))
    found = integer.scaled(total, _along(a_scale.reshape(()) * b_scale, total.dim(), -1))
    return found if bias is None else found + bias


def _register_binary(name: str, compute: Callable[..., Tensor]) -> None:
    @operator(name, domain=DOMAIN)
    def binary(
        a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
        y_scale: Tensor, y_zero: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        of_a, of_b = _affine(a_scale, a_zero, a), _affine(b_scale, b_zero, b)
        return compute(a, of_a, b, of_b, _affine(y_scale, y_zero, a))

    _register_in_uint8(name, binary)


_register_binary("QLinearAdd", integer.add)
_register_binary("QLinearMul", integer.multiply)


def _register_function(name: str, compute: Callable[[Tensor, float], Tensor]) -> None:
    @operator(name, domain=DOMAIN)
    def function(
        x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
        alpha: float = 0.01,
    ) -> Tensor:  # fmt: skip
        of_x, y = _affine(x_scale, x_zero, x), _affine(y_scale, y_zero, x)
        return integer.lookup(x, lambda number: compute(number, alpha), of_x, y)


_register_function("QLinearSigmoid", lambda x, _: integer.logistic(x))
_register_function("QLinearLeakyRelu", F.leaky_relu)


@operator("QLinearSoftmax", domain=DOMAIN)
def qlinear_softmax(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    axis: int | None = None, opset: int = 13,
) -> Tensor:  # fmt: skip
    """A softmax of codes; before opset 13 over all axes from ``axis`` on, taken as one."""
    scales = (x_scale.reshape(()), _affine(y_scale, y_zero, x))
    if opset < 13:
        start = (1 if axis is None else axis) % x.dim()
        return integer.softmax(x.reshape(*x.shape[:start], -1), *scales).reshape(x.shape)
    place = -1 if axis is None else axis
    return integer.softmax(x.movedim(place, -1), *scales).movedim(-1, place)


@operator("QLinearConcat", domain=DOMAIN)
def qlinear_concat(y_scale: Tensor, y_zero: Tensor, *inputs: Tensor, axis: int) -> Tensor:
    """Codes of different scales one behind the other; inputs are codes, scale and zero point in turn."""
    triples = zip(inputs[::3], inputs[1::3], inputs[2::3], strict=True)
    y = _affine(y_scale, y_zero, y_zero)
    found = [integer.recoded(x, _affine(scale, zero, x), y) for x, scale, zero in triples]
    return torch.cat(found, axis)


@operator("QLinearWhere", domain=DOMAIN)
def qlinear_where(
    condition: Tensor, x: Tensor, x_scale: Tensor, x_zero: Tensor, y: Tensor, y_scale: Tensor, y_zero: Tensor,
    z_scale: Tensor, z_zero: Tensor,
) -> Tensor:  # fmt: skip
    """A choice between codes of different scales."""
    chosen = _affine(z_scale, z_zero, z_zero)
    first = integer.recoded(x, _affine(x_scale, x_zero, x), chosen)
    return torch.where(condition, first, integer.recoded(y, _affine(y_scale, y_zero, y), chosen))


@operator("QLinearGlobalAveragePool", domain=DOMAIN)
def qlinear_global_average_pool(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    channels_last: int = 0,
) -> Tensor:  # fmt: skip
    """A mean of codes over all axes but those of batch and channels."""
    wide = x.movedim(-1, 1) if channels_last else x
    found = integer.global_average(wide, _affine(x_scale, x_zero, x), _affine(y_scale, y_zero, x))
    return found.movedim(1, -1) if channels_last else found


@operator("QLinearAveragePool", domain=DOMAIN)
def qlinear_average_pool(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    auto_pad: str = "NOTSET", ceil_mode: int = 0, channels_last: int = 0, count_include_pad: int = 0,
    kernel_shape: Sequence[int], pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A mean of each window of codes; padding counts as the number zero, or not at all.

    One window that is the whole image is averaged as QLinearGlobalAveragePool does, in integers.
    """
    wide = x.movedim(-1, 1) if channels_last else x
    axes, of_x = len(kernel_shape), _affine(x_scale, x_zero, x)
    steps, spread = ones(strides, axes), [1] * axes
    sides, _ = placed(wide.shape[2:], kernel_shape, steps, spread, pads, auto_pad, bool(ceil_mode))
    if list(wide.shape[2:]) == list(kernel_shape) and not any(sides):
        return qlinear_global_average_pool(x, x_scale, x_zero, y_scale, y_zero, channels_last=channels_last)

    def windows(codes: Tensor, fill: float) -> list[Tensor]:
        found = taps(padded(codes, sides, fill), kernel_shape, steps, spread)
        return [found[(..., *place)] for place in itertools.product(*map(range, kernel_shape))]

    there = torch.stack(windows(torch.ones(1, 1, *wide.shape[2:], device=x.device), 0.0)).sum(0)
    count = torch.full_like(there, math.prod(kernel_shape)) if count_include_pad else there
    inside = windows(wide.float(), float(of_x.zero_point))
    found = integer.average_windows(inside, count, of_x, _affine(y_scale, y_zero, x))
    return found.movedim(1, -1) if channels_last else found


_register_in_uint8("QLinearSoftmax", qlinear_softmax)
_register_in_uint8("QLinearAveragePool", qlinear_average_pool)
