"""QuantizeLinear and DequantizeLinear: scales, zero points and codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS, elem_of
from qdebug.doors.onnx.registry import operator
from qdebug.formats.floats import FP4, FP6_E2M3, FP6_E3M2
from qdebug.quantize.floats import cast

_SMALL_FLOATS = {23: FP4, 27: FP6_E2M3, 28: FP6_E3M2}
_FLOATS8 = (17, 18, 19, 20)
UINT8 = 2


def limits(elem: int) -> tuple[int, int]:
    """The lowest and the highest value of an integer element type."""
    element = ELEMENTS[elem]
    half = 1 << (element.bits - 1)
    return (0, 2 * half - 1) if element.name.startswith("u") else (-half, half - 1)


def spread(parameter: Tensor, x: Tensor, axis: int, block_size: int = 0) -> Tensor:
    """A scale or zero point in a shape that broadcasts against the tensor (ONNX, QuantizeLinear, granularities).

    Args:
        parameter: one value; one per index of an axis; or of the tensor's rank, one per block of an axis.
        x: the tensor.
        axis: of channels or blocks.
        block_size: values that share one; 0 where there are no blocks.
    """
    if parameter.numel() == 1 and (parameter.dim() < 2 or not block_size):
        return parameter.reshape(())
    if block_size:
        return parameter.repeat_interleave(block_size, axis).narrow(axis, 0, x.shape[axis])
    if parameter.dim() == 1:
        shape = [1] * x.dim()
        shape[axis] = -1
        return parameter.reshape(shape)
    return parameter


def codes(ratio: Tensor, zero_point: Tensor | None, elem: int) -> Tensor:
    """``saturate(round(ratio) + zero_point)``, half to even, in the type that carries an integer element type."""
    rounded = (ratio if ratio.dtype == torch.float64 else ratio.float()).round()
    if zero_point is not None:
        rounded = rounded + zero_point.to(rounded.dtype)
    return rounded.clamp(*limits(elem)).to(ELEMENTS[elem].carrier)


def numbers(x: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """``(x − zero_point) · scale`` in float32; shapes broadcast."""
    wide = x.float()
    return (wide if zero_point is None else wide - zero_point.float()) * scale.float()


@operator("QuantizeLinear")
@operator("QuantizeLinear", domain="com.microsoft")
def quantize_linear(
    x: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0, precision: int = 0, saturate: int = 1, types: list[int],
) -> Tensor:  # fmt: skip
    """Codes of numbers. The division has the scale's precision, or the one asked for."""
    elem = output_dtype or (UINT8 if zero_point is None else elem_of(zero_point, types[2]))
    kind = ELEMENTS[precision].carrier if precision else scale.dtype
    if not kind.is_floating_point or kind == torch.float8_e8m0fnu:
        kind = torch.float32
    ratio = x.to(kind) / spread(scale, x, axis, block_size).to(kind)
    zero = None if zero_point is None else spread(zero_point, x, axis, block_size)
    if elem in _FLOATS8:
        return to_float8(ratio, ELEMENTS[elem].carrier, saturate != 0)
    if elem in _SMALL_FLOATS:
        return cast((ratio if zero is None else ratio + zero).float(), _SMALL_FLOATS[elem], saturate=True)
    return codes(ratio, zero, elem)


def to_float8(x: Tensor, kind: torch.dtype, saturate: bool) -> Tensor:
    """A conversion to a float of eight bits; too large ones become its largest where ``saturate`` says so."""
    if saturate:
        largest = torch.finfo(kind).max
        x = x.clamp(-largest, largest)
    return x.to(kind)


@operator("DequantizeLinear")
@operator("DequantizeLinear", domain="com.microsoft")
def dequantize_linear(
    x: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0,
) -> Tensor:  # fmt: skip
    """Numbers of codes, in the scale's type or the one asked for."""
    kind = ELEMENTS[output_dtype].carrier if output_dtype else scale.dtype
    zero = None if zero_point is None else spread(zero_point, x, axis, block_size)
    if x.dtype == torch.int32 and zero is not None:  # the difference of large codes is no float32
        x, zero = x - zero, None
    return numbers(x, spread(scale, x, axis, block_size), zero).to(kind)


@operator("DynamicQuantizeLinear", 11)
def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of eight bits over the tensor's own range, widened to hold zero; their scale and zero point."""
    lowest, highest = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (highest - lowest) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero_point = (-lowest / scale).clamp(0, 255).round().to(torch.uint8)
    return codes(x / scale, zero_point, UINT8), scale, zero_point


def scaled_codes(total: Tensor, scale: Any, zero_point: Tensor | None, elem: int) -> Tensor:
    """Codes of exact integer sums: ``saturate(round(float32(total) · scale) + zero_point)``."""
    if elem in _FLOATS8:
        return to_float8(total.float() * scale, ELEMENTS[elem].carrier, True)
    return codes(total.float() * scale, zero_point, elem)
