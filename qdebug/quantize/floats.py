"""Conversion to small floats: rounding, overflow, and the codes."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats import Float

_TORCH = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Formats that torch converts to itself, rounding half to even as IEEE 754 has it."""

_CHUNK = 1 << 16
"""Values treated at once, so that they stay in the cache between passes and need little memory."""


def step(t: Tensor, fmt: Float) -> Tensor:
    """The distance between neighbouring numbers of a format in the binade of each value; float64, as ``t`` is.

    A power of two, so that dividing by it is exact; that of the subnormal numbers below the smallest normal one.
    """
    _, exponent = torch.frexp(t)
    exponent = torch.where(torch.isfinite(t), exponent - 1, 0).clamp(fmt.smallest_exponent, fmt.largest_exponent)
    return torch.ldexp(torch.ones_like(t), exponent - fmt.mantissa_bits)


def cast(x: Tensor, fmt: Float, out: Tensor | None = None, *, saturate: bool = False) -> Tensor:
    """The values of ``x`` rounded to a float format, half to even; the dtype of ``x``. fp32 without ``out`` is ``x``.

    Args:
        x: float32 (or less); any shape.
        fmt: the format.
        out: where to write; may be ``x``.
        saturate: what rounds beyond the largest finite number becomes that number, and so do ±Inf. Otherwise, as in
            IEEE 754 and OFP8, it becomes ±Inf where the format has it, else NaN; formats with neither saturate always.

    Returns:
        A new tensor, or ``out``.
    """
    if fmt.name in _TORCH and not saturate:
        if out is None:
            return x if fmt.name == "fp32" else x.to(_TORCH[fmt.name]).to(x.dtype)
        return out.copy_(x if fmt.name == "fp32" else x.to(_TORCH[fmt.name]))
    result = torch.empty_like(x) if out is None else out
    if result.is_contiguous() and x.is_contiguous():
        source, target = x.view(-1), result.view(-1)
        for start in range(0, x.numel(), _CHUNK):
            part = slice(start, start + _CHUNK)
            target[part] = _converted(source[part], fmt, saturate)
        return result
    return result.copy_(_converted(x, fmt, saturate))


def encode(x: Tensor, fmt: Float, *, saturate: bool = False) -> Tensor:
    """The codes of ``x`` in a format of at most 16 bits: int32, sign in the highest bit; see :func:`cast`.

    NaN becomes the quiet NaN with a clear sign (formats without NaN: the largest number, as the MX specification
    leaves it open).
    """
    if fmt.bits > 16:
        raise ValueError(f"{fmt.name} has no codes of 16 bits")
    value = _converted(x, fmt, saturate)
    magnitude = value.double().abs()
    _, exponent = torch.frexp(magnitude)
    field = (exponent - 1 + fmt.bias).clamp(min=1)
    fraction = torch.ldexp(magnitude, fmt.mantissa_bits + fmt.bias - field)
    normal = fraction >= 2**fmt.mantissa_bits
    finite = torch.isfinite(magnitude)
    fraction = torch.where(finite, fraction, 0.0).long()
    code = torch.where(normal, (field << fmt.mantissa_bits) + fraction - 2**fmt.mantissa_bits, fraction)
    top = ((1 << fmt.exponent_bits) - 1) << fmt.mantissa_bits
    code = torch.where(torch.isinf(magnitude), top, code)
    sign = torch.signbit(value).long() << (fmt.exponent_bits + fmt.mantissa_bits)
    if fmt.encoding == "fnuz":
        sign = torch.where(code == 0, 0, sign)
    code = code | sign
    nan = {
        "ieee": top | 1 << (fmt.mantissa_bits - 1), "fn": top | (1 << fmt.mantissa_bits) - 1,
        "fnuz": 1 << (fmt.exponent_bits + fmt.mantissa_bits), "none": top | (1 << fmt.mantissa_bits) - 1,
    }[fmt.encoding]  # fmt: skip
    return torch.where(torch.isnan(value), nan, code).int()


def decode(codes: Tensor, fmt: Float) -> Tensor:
    """The reals of codes, float32, in the shape of ``codes``."""
    return torch.from_numpy(fmt.decode(codes.cpu().numpy())).float().to(codes.device)


def _converted(x: Tensor, fmt: Float, saturate: bool) -> Tensor:
    """Rounded in float64, in which all of this is exact, and back in the dtype of ``x``."""
    t = x.double()
    quantum = step(t, fmt)
    value = torch.round(t / quantum) * quantum
    # a zero keeps its sign; Inf − Inf of the step's own making is undone
    value = torch.where(torch.isinf(t), t, value)
    over = value.abs() > fmt.largest
    beyond = fmt.largest if saturate else fmt.overflow
    return torch.where(over, torch.copysign(torch.full_like(t, beyond), t), value).to(x.dtype)
