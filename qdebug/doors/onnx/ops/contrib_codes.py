"""Operators on codes of ONNX Runtime's own domain, com.microsoft (its ContribOperators.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.elements import elem_of
from qdebug.doors.onnx.ops.affine import codes, dynamic_quantize_linear, numbers, scaled_codes
from qdebug.doors.onnx.ops.integers import along, centred, product
from qdebug.doors.onnx.ops.pools import average_pool
from qdebug.doors.onnx.registry import operator

MICROSOFT = "com.microsoft"


def _written(x: Tensor, scale: Tensor, zero: Tensor | None, like: Tensor) -> Tensor:
    """Numbers as codes of the type of the zero point, or of ``like`` where there is none."""
    return codes(x / scale, zero, elem_of(like if zero is None else zero))


@operator("QLinearAdd", domain=MICROSOFT)
def qlinear_add(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
    y_scale: Tensor, y_zero: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A sum of codes. Both ratios of scales are rounded to float32, as the runtime has them."""
    total = centred(a, a_zero) * (a_scale / y_scale).double() + centred(b, b_zero) * (b_scale / y_scale).double()
    return codes(total.float(), y_zero, elem_of(a if y_zero is None else y_zero))


@operator("QLinearMul", domain=MICROSOFT)
def qlinear_mul(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
    y_scale: Tensor, y_zero: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A product of codes, element by element."""
    total = centred(a, a_zero) * centred(b, b_zero)
    return scaled_codes(total, a_scale * b_scale / y_scale, y_zero, elem_of(a if y_zero is None else y_zero))


def _register_function(name: str, compute: Callable[[Tensor, float], Tensor]) -> None:
    @operator(name, domain=MICROSOFT)
    def function(
        x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
        alpha: float = 0.01,
    ) -> Tensor:  # fmt: skip
        return _written(compute(numbers(x, x_scale, x_zero), alpha), y_scale, y_zero, x)


_register_function("QLinearSigmoid", lambda x, _: torch.sigmoid(x))
_register_function("QLinearLeakyRelu", F.leaky_relu)


@operator("QLinearSoftmax", domain=MICROSOFT)
def qlinear_softmax(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    axis: int = -1, opset: int = 13,
) -> Tensor:  # fmt: skip
    """A softmax of codes; before opset 13 over all axes from ``axis`` on, taken as one."""
    wide = numbers(x, x_scale, x_zero)
    if opset < 13:
        start = axis % x.dim()
        found = F.softmax(wide.reshape(*x.shape[:start], -1), -1).reshape(x.shape)
    else:
        found = F.softmax(wide, axis)
    return _written(found, y_scale, y_zero, x)


@operator("QLinearAveragePool", domain=MICROSOFT)
def qlinear_average_pool(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    auto_pad: str = "NOTSET", ceil_mode: int = 0, channels_last: int = 0, count_include_pad: int = 0,
    kernel_shape: Sequence[int], pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A mean of each window of codes; padding counts as the number zero."""
    wide = numbers(x, x_scale, x_zero)
    wide = wide.movedim(-1, 1) if channels_last else wide
    found = average_pool(
        wide, auto_pad=auto_pad, ceil_mode=ceil_mode, count_include_pad=count_include_pad, kernel_shape=kernel_shape,
        pads=pads, strides=strides,
    )  # fmt: skip
    return _written(found.movedim(1, -1) if channels_last else found, y_scale, y_zero, x)


@operator("QLinearGlobalAveragePool", domain=MICROSOFT)
def qlinear_global_average_pool(
    x: Tensor, x_scale: Tensor, x_zero: Tensor | None, y_scale: Tensor, y_zero: Tensor | None = None, *,
    channels_last: int = 0,
) -> Tensor:  # fmt: skip
    """A mean of codes over all axes but those of batch and channels."""
    axes = list(range(1, x.dim() - 1)) if channels_last else list(range(2, x.dim()))
    total = centred(x, x_zero).sum(axes, keepdim=True)
    count = x.numel() // max(total.numel(), 1)
    return scaled_codes(total, x_scale / (y_scale * count), y_zero, elem_of(x if y_zero is None else y_zero))


@operator("QLinearConcat", domain=MICROSOFT)
def qlinear_concat(y_scale: Tensor, y_zero: Tensor, *inputs: Tensor, axis: int) -> Tensor:
    """Codes of different scales one behind the other, in one scale; inputs are codes, scale and zero point in turn."""
    triples = zip(inputs[::3], inputs[1::3], inputs[2::3], strict=True)
    return torch.cat([_written(numbers(*triple), y_scale, y_zero, y_zero) for triple in triples], axis)


@operator("QGemm", domain=MICROSOFT)
def qgemm(
    a: Tensor, a_scale: Tensor, a_zero: Tensor | None, b: Tensor, b_scale: Tensor, b_zero: Tensor | None,
    c: Tensor | None = None, y_scale: Tensor | None = None, y_zero: Tensor | None = None, *, alpha: float = 1.0,
    transA: int = 0, transB: int = 0,  # noqa: N803
) -> Tensor:  # fmt: skip
    """``alpha · a b + c`` of codes, to codes where an output scale is given; c has the scale of the products."""
    total = product(a.t() if transA else a, b.t() if transB else b, a_zero, b_zero)
    if c is not None:
        total = total + c.double()
    scale = alpha * a_scale * along(b_scale, 2, -1)
    if y_scale is None:
        return total.float() * scale
    return scaled_codes(total, scale / y_scale, y_zero, elem_of(a if y_zero is None else y_zero))


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(
    a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor, a_zero: Tensor | None = None,
    b_zero: Tensor | None = None, bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A matrix product of codes as numbers."""
    found = product(a, b, a_zero, b_zero).float() * (a_scale * along(b_scale, max(a.dim(), b.dim()), -1)).float()
    found = found.to(a_scale.dtype)
    return found if bias is None else found + bias


@operator("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(
    a: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """A matrix product with codes; the other factor is quantized on the way, over its own range."""
    found, scale, zero = dynamic_quantize_linear(a)
    return matmul_integer_to_float(found, b, scale, b_scale, zero, b_zero, bias)


def unpacked(packed: Tensor, bits: int) -> Tensor:
    """Codes of 2, 4 or 8 bits out of bytes, the first in the low bits, along the last axis."""
    if bits == 8:
        return packed
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & ((1 << bits) - 1)).flatten(-2)


def weight_of_nbits(
    packed: Tensor, scales: Tensor, zeros: Tensor | None, groups: Tensor | None, rows: int, columns: int, bits: int,
    block_size: int,
) -> Tensor:  # fmt: skip
    """The weight of a MatMulNBits, ``[rows, columns]``.

    Args:
        packed: codes, ``[rows, blocks, bytes]``.
        scales: of each block, ``rows · blocks`` values.
        zeros: zero points, packed in bytes row by row, or numbers of the scales' type; half the range for None.
        groups: the block whose scale each column has, where not the one it lies in.
        rows: output features, N.
        columns: input features, K.
        bits: of a code.
        block_size: columns of a block.
    """
    blocks = -(-columns // block_size)
    values = unpacked(packed.reshape(rows, -1), bits).to(scales.dtype)
    group = torch.arange(columns, device=packed.device) // block_size if groups is None else groups.long()[:columns]
    scale = scales.reshape(rows, blocks)[:, group]
    if zeros is None:
        return (values[:, :columns] - (1 << (bits - 1))) * scale
    whole = zeros if zeros.is_floating_point() else unpacked(zeros.reshape(rows, -1), bits)
    return (values[:, :columns] - whole.reshape(rows, -1)[:, :blocks].to(scales.dtype)[:, group]) * scale
