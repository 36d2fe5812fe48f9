"""Conversions between element types."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.elements import ELEMENTS, elem_of, name_of
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.kinds import carrier
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError
from qdebug.formats import FORMATS, Float
from qdebug.quantize.floats import cast as rounded
from qdebug.quantize.floats import decode, encode

_aten = torch.ops.aten
_SMALL_FLOATS = {
    17: "fp8_e4m3fn", 18: "fp8_e4m3fnuz", 19: "fp8_e5m2", 20: "fp8_e5m2fnuz", 23: "fp4", 27: "fp6_e2m3", 28: "fp6_e3m2",
}  # fmt: skip
_UNSATURATED = (17, 18, 19, 20)
"""Types for which the attribute ``saturate`` counts; the other small floats have no code for what is too large."""
_E8M0 = 24
_SMALL_INTEGERS = {21: (4, False), 22: (4, True), 25: (2, False), 26: (2, True)}
"""Bits, and whether there is a sign."""
_FLOATS = (1, 10, 11, 16)


@lowering("Cast", 6)
def lower_cast(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A cast between floats of 16 bits and more; else the kernel's, as float64 to 16 bits, which torch rounds twice."""
    source, to = builder.elems.get(node.inputs[0], 0), node.attributes.get("to", 0)
    if source not in _FLOATS or to not in _FLOATS or (source == 11 and to in (10, 16)):
        return None
    x = builder.at(node, 0)
    if source == to:
        return (builder.emit(_aten.alias.default, x).index,)
    return (builder.emit(_aten.to.dtype, x, ELEMENTS[to].carrier).index,)  # type: ignore[index]


@operator("Cast", 6)
def cast(x: Tensor, *, to: int, saturate: int = 1, round_mode: str = "up", types: list[int]) -> Tensor:
    """Values in another type: rounded half to even where it is a float, cut where it is an integer.

    Integers that are too large lose their high bits (ONNX, Cast). Floats of 8 bits and less become the largest number
    where they are too large, or NaN or Inf without ``saturate``.

    Args:
        x: any tensor.
        to: the element type.
        saturate: see above; for float8 only.
        round_mode: ``up``, ``down`` or ``nearest``, for the powers of two of float8e8m0.
        types: the element type of ``x``.
    """
    if to == types[0]:
        return x
    if to in _SMALL_FLOATS:
        fmt = _format(to)
        return rounded(_wide(x), fmt, saturate=bool(saturate) or to not in _UNSATURATED).to(carrier(to))
    if to == _E8M0:
        return power_of_two(_wide(x), bool(saturate), round_mode)
    if to in _SMALL_INTEGERS:
        return narrowed((x if _is_integer(x) else _wide(x).trunc()).to(torch.int64), to)
    target = carrier(to)
    if x.dtype == torch.float64 and target in (torch.float16, torch.bfloat16):
        return rounded(x, _format(to)).to(target)
    if x.is_floating_point() and x.element_size() == 1:
        x = x.float()
    return x.to(target)


@operator("CastLike", 15)
def cast_like(
    x: Tensor, like: Tensor, *, saturate: int = 1, round_mode: str = "up", types: list[int]
) -> Tensor:  # fmt: skip
    """Values in the type of another tensor."""
    return cast(x, to=elem_of(like, types[1]), saturate=saturate, round_mode=round_mode, types=types[:1])


@operator("BitCast", 26)
def bit_cast(x: Tensor, *, to: int, types: list[int]) -> Tensor:
    """The same bits read as another type of as many.

    Raises:
        ModelError: it has more bits, or fewer.
    """
    source = types[0]
    if source in ELEMENTS and to in ELEMENTS and ELEMENTS[source].bits != ELEMENTS[to].bits:
        raise ModelError(
            f"The bits of {name_of(source)} cannot be read as {name_of(to)}",
            do="A type of as many bits is needed: write the file again.",
        )
    codes = encode(x, _format(source)) if source in _SMALL_FLOATS and ELEMENTS[source].carrier == torch.float32 else x
    if to in _SMALL_FLOATS and ELEMENTS[to].carrier == torch.float32:
        return decode(codes.view(torch.uint8) if codes.element_size() == 1 else codes, _format(to))
    if to in _SMALL_INTEGERS:
        return narrowed(codes.to(torch.int64), to)
    return codes.to(torch.uint8).view(carrier(to)) if codes is not x else x.view(carrier(to))


def narrowed(whole: Tensor, elem: int) -> Tensor:
    """The low bits of integers as an integer type of two or four bits.

    Args:
        whole: int64.
        elem: the type.
    """
    bits, signed = _SMALL_INTEGERS[elem]
    half = 1 << bits - 1
    low = (whole + half & (1 << bits) - 1) - half if signed else whole & (1 << bits) - 1
    return low.to(carrier(elem))


def power_of_two(x: Tensor, saturate: bool, round_mode: str) -> Tensor:
    """Values as float8e8m0, the powers of two from 2⁻¹²⁷ to 2¹²⁷ (OCP MX 1.0, section 5.4.1).

    Args:
        x: float32 or float64. What it holds below zero is undefined (ONNX, Cast).
        saturate: what is out of range becomes the nearest end; else NaN.
        round_mode: ``up`` and ``down`` to the next power, ``nearest`` with ties up.
    """
    fraction, exponent = torch.frexp(x.double().abs())  # fraction in [0.5, 1)
    exponent = exponent - 1
    if round_mode == "up":
        exponent = exponent + (fraction > 0.5)
    elif round_mode == "nearest":
        exponent = exponent + (fraction >= 0.75)
    exponent = torch.where(x == 0, -1000, torch.where(torch.isinf(x), 1000, exponent))
    code = exponent.clamp(-127, 127) + 127
    bad = torch.isnan(x) if saturate else torch.isnan(x) | (code != exponent + 127)
    return torch.where(bad, 255, code).to(torch.uint8).view(torch.float8_e8m0fnu)


def _format(elem: int) -> Float:
    fmt = FORMATS[_SMALL_FLOATS.get(elem) or {10: "fp16", 16: "bf16"}[elem]]
    assert isinstance(fmt, Float)
    return fmt


def _wide(x: Tensor) -> Tensor:
    """As float32 or float64, exactly."""
    return x if x.dtype == torch.float64 else x.double() if _is_integer(x) else x.float()


def _is_integer(x: Tensor) -> bool:
    return not x.is_floating_point()
