"""Conversion to small floats: rounding, overflow, and the codes."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Float

_TORCH = {"fp16": torch.float16, "bf16": torch.bfloat16}
"""Formats that torch converts float32 to itself, rounding half to even as IEEE 754 has it."""

_CHUNK = 1 << 16
"""Values treated at once, so that they stay in the cache between passes and need little memory."""


def binade(t: Tensor, fmt: Float) -> Tensor:
    """The exponent that each value of float64 ``t`` is stored with; int32.

    Zero and what lies below the smallest normal number (±Inf and NaN too) have that number's exponent; what is too
    large has the largest number's.
    """
    _, exponent = torch.frexp(t)
    number = torch.isfinite(t) & (t != 0)  # frexp gives the others the exponent 0, which may be a high one
    return torch.where(number, exponent - 1, fmt.smallest_exponent).clamp(fmt.smallest_exponent, fmt.largest_exponent)


def step(t: Tensor, fmt: Float) -> Tensor:
    """The distance between neighbouring numbers of a format in the binade of each value; float64, as ``t`` is.

    A power of two, so that dividing by it is exact; that of the subnormal numbers below the smallest normal one.
    """
    return torch.ldexp(torch.ones_like(t), binade(t, fmt) - fmt.mantissa_bits)


def cast(x: Tensor, fmt: Float, out: Tensor | None = None, *, saturate: bool = False) -> Tensor:
    """The values of ``x`` rounded to a float format once, half to even; the dtype of ``x``.

    A zero keeps its sign where the format has a negative zero. NaN stays NaN, in all formats.

    Args:
        x: any float dtype and shape.
        fmt: the format.
        out: where to write, of the shape of ``x``; may be ``x``.
        saturate: what rounds beyond the largest finite number becomes that number, and so do ±Inf. Otherwise, as in
            IEEE 754 and OFP8, it becomes ±Inf where the format has it, else NaN; formats with neither saturate always.

    Returns:
        ``out``, or a new tensor. fp32, which in a plan means that nothing is done, gives the values of ``x`` as they
        are (without ``out`` ``x`` itself), float64 too.
    """
    if fmt.name == "fp32" and not saturate:
        return x if out is None else out.copy_(x)
    # torch brings float64 to 16 bits by way of float32, which rounds twice
    if fmt.name in _TORCH and not saturate and x.dtype != torch.float64:
        kept = x.to(_TORCH[fmt.name])
        return kept.to(x.dtype) if out is None else out.copy_(kept)
    result = torch.empty_like(x) if out is None else out
    if not (result.is_contiguous() and x.is_contiguous()):
        return result.copy_(_converted(x, fmt, saturate))
    source, target = x.view(-1), result.view(-1)
    for start in range(0, x.numel(), _CHUNK):
        part = slice(start, start + _CHUNK)
        target[part] = _converted(source[part], fmt, saturate)
    return result


def encode(x: Tensor, fmt: Float, *, saturate: bool = False) -> Tensor:
    """The codes of ``x`` in a format of at most 16 bits: int32, sign in the highest bit; see :func:`cast`.

    NaN keeps its sign and becomes the quiet NaN without a payload. Formats without NaN get the largest number for it,
    as NVIDIA's conversions do (PTX ISA, ``cvt``); the MX specification leaves it open (sections 5.3.2 to 5.3.4).

    Raises:
        ValueError: the format has more than 16 bits.
    """
    if fmt.bits > 16:
        raise ValueError(f"{fmt.name} has {fmt.bits} bits; codes are given up to 16")
    value = _converted(x, fmt, saturate)
    nan, finite = torch.isnan(value), torch.isfinite(value)
    exponent = binade(value, fmt)
    steps = torch.where(finite, torch.ldexp(value.abs(), fmt.mantissa_bits - exponent), 0.0)  # whole: value is rounded
    code = ((exponent - fmt.smallest_exponent) << fmt.mantissa_bits) + steps.int()  # the leading one carries over
    code = torch.where(finite, code, torch.where(nan, fmt.nan_code, fmt.infinity_code))
    negative = torch.signbit(x) & (code > 0 if fmt.encoding == "fnuz" else ~nan | (fmt.encoding != "none"))
    return (code | negative.int() << (fmt.exponent_bits + fmt.mantissa_bits)).int()


def decode(codes: Tensor, fmt: Float) -> Tensor:
    """The reals of codes, float32, in the shape of ``codes``."""
    return torch.from_numpy(fmt.decode(codes.cpu().numpy())).float().to(codes.device)


def _converted(x: Tensor, fmt: Float, saturate: bool) -> Tensor:
    """Rounded in float64, in which all of this is exact; float64."""
    t = x.double()
    quantum = step(t, fmt)
    value = torch.round(t / quantum) * quantum  # keeps the sign of a zero, and ±Inf
    if fmt.encoding == "fnuz":
        value += 0.0
    beyond = torch.full_like(t, fmt.largest if saturate else fmt.overflow)
    return torch.where(value.abs() > fmt.largest, torch.copysign(beyond, t), value)
