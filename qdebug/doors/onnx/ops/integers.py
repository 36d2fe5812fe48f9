"""Products of integer codes, whose sums are exact.

float64 holds every sum of up to 2³⁷ products of eight-bit codes less their zero points. float32, which for convolutions
on the processor is several times as fast, holds every sum below :data:`EXACT`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.elements import elem_of
from qdebug.doors.onnx.ops.affine import scaled_codes
from qdebug.doors.onnx.ops.layers import convolve
from qdebug.doors.onnx.ops.windows import ones
from qdebug.doors.onnx.registry import operator

EXACT = 2**24
"""Below it float32 holds every integer, so that sums are exact in whatever order they are added."""
_FARTHEST = 255
"""Of an eight-bit code from its zero point."""


def centred(x: Tensor, zero_point: Tensor | None, axis: int = 0, kind: torch.dtype = torch.float64) -> Tensor:
    """Codes less their zero point; of several zero points, one per index of ``axis``."""
    wide = x.to(kind)
    return wide if zero_point is None else wide - along(zero_point, x.dim(), axis).to(kind)


def along(parameter: Tensor, rank: int, axis: int) -> Tensor:
    """One value, or one per index of an axis, in a shape that broadcasts."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    if parameter.dim() != 1:
        return parameter
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def whole(total: Tensor) -> Tensor:
    """Exact sums as int32; what is larger wraps round, as it does in integer arithmetic."""
    return total.to(torch.int64).to(torch.int32)


def product(a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    """The exact matrix product of codes; zero points of ``a`` are one or one a row, of ``b`` one or one a column."""
    return centred(a, a_zero, -2 if a.dim() > 1 else 0) @ centred(b, b_zero, -1)


def sums(
    x: Tensor, weight: Tensor, x_zero: Tensor | None, weight_zero: Tensor | None, auto_pad: str,
    dilations: Sequence[int] | None, group: int, pads: Sequence[int] | None, strides: Sequence[int] | None,
) -> Tensor:  # fmt: skip
    """The exact convolution of codes, in float64; padding has the input's zero point.

    On the processor it is cut into pieces of input channels that float32 can sum exactly. Elsewhere libraries may take
    algorithms for float32 that are not exact (Winograd's).
    """
    count, channels = weight.dim() - 2, weight.shape[1]
    kernel = centred(weight, weight_zero, kind=torch.float32)
    piece = _piece(kernel) if x.device.type == "cpu" else 0
    if piece < channels and group > 1:
        piece = 0
    kind = torch.float32 if piece else torch.float64
    wide, kernel = centred(x, x_zero, kind=kind), kernel.to(kind)
    layout = (ones(strides, count), list(pads or [0] * (2 * count)), ones(dilations, count), group, auto_pad)
    if piece in (0, channels):
        return convolve(wide, kernel, None, *layout).double()
    parts = zip(wide.split(piece, 1), kernel.split(piece, 1), strict=True)
    first, *rest = (convolve(part, factor, None, *layout).double() for part, factor in parts)
    return sum(rest, first)


def _piece(kernel: Tensor) -> int:
    """The most input channels, all of them or a half, a quarter …, whose products float32 sums exactly; 0 for none.

    No partial sum is larger than the weights' absolute sum times the farthest that a code can be from its zero point.
    """
    each = kernel.abs().sum(list(range(2, kernel.dim())), dtype=torch.float64)  # [M, C]
    size = kernel.shape[1]
    while size:
        if max(float(part.sum(1).max()) for part in each.split(size, 1)) * _FARTHEST < EXACT:
            return size
        size = -(-size // 2) if size > 1 else 0
    return 0


@operator("ConvInteger", 10)
def conv_integer(
    x: Tensor, weight: Tensor, x_zero: Tensor | None = None, weight_zero: Tensor | None = None, *,
    auto_pad: str = "NOTSET", dilations: Sequence[int] | None = None, group: int = 1,
    kernel_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A convolution of codes."""
    return whole(sums(x, weight, x_zero, weight_zero, auto_pad, dilations, group, pads, strides))


@operator("MatMulInteger", 10)
def matmul_integer(a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None) -> Tensor:
    """A matrix product of codes."""
    return whole(product(a, b, a_zero, b_zero))


@operator("QLinearConv", 10)
def qlinear_conv(
    x: Tensor, x_scale: Tensor, x_zero: Tensor, weight: Tensor, weight_scale: Tensor, weight_zero: Tensor,
    y_scale: Tensor, y_zero: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None, group: int = 1, kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A convolution of codes to codes; the bias has the scale of the products."""
    total = sums(x, weight, x_zero, weight_zero, auto_pad, dilations, group, pads, strides)
    if bias is not None:
        total = total + along(bias, x.dim(), 1).double()
    scale = along(x_scale * weight_scale / y_scale, x.dim(), 1)
    return scaled_codes(total, scale, y_zero.reshape(()), elem_of(y_zero))


@operator("QLinearMatMul", 10)
def qlinear_matmul(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:  # fmt: skip
    """A matrix product of codes to codes."""
    total = product(a, b, a_zero, b_zero)
    rows, columns = along(a_scale.float(), a.dim(), -2 if a.dim() > 1 else 0), along(b_scale.float(), b.dim(), -1)
    scale = rows * columns / along(y_scale.float(), total.dim(), -2)
    return scaled_codes(total, scale, along(y_zero, total.dim(), -2), elem_of(y_zero))
