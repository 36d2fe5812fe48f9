"""Sums and products element by element, functions by table, and the softmax."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from qdebug.quantize.integer.requantize import LOWEST, fma, limits, rounded, rounded_together

FLT_MAX = torch.finfo(torch.float32).max


def add(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:  # fmt: skip
    """A sum of codes: ``clamp(rint(fma(a, r_a, fma(b, r_b, fixed))))``.

    ``r_a = s_a / s_y``, ``r_b = s_b / s_y`` and ``fixed = z_y − fma(r_a, z_a, r_b · z_b)``, all float32 (MLAS,
    ``MlasQLinearAdd``, as compiled with fused multiply-add). Where ``a`` is one value for a whole run of ``b`` the
    runtime changes their places.

    Args:
        a, b: codes; shapes broadcast.
        a_scale, b_scale, y_scale: float32 ``[]``.
        a_zero, b_zero, y_zero: zero points ``[]``; the last one's type is the result's.
    """
    if _is_repeated(a, b):
        a, a_scale, a_zero, b, b_scale, b_zero = b, b_scale, b_zero, a, a_scale, a_zero
    first, second = a_scale / y_scale, b_scale / y_scale
    fixed = y_zero.float() - fma(first, a_zero.float(), second * b_zero.float())
    return rounded_together(fma(a.float(), first, fma(b.float(), second, fixed)), y_zero.dtype)


def _is_repeated(a: Tensor, b: Tensor) -> bool:
    """Whether, along the last axis on which the shapes have anything, only ``b`` varies."""
    count = max(a.dim(), b.dim())
    sizes = zip((1,) * (count - a.dim()) + a.shape, (1,) * (count - b.dim()) + b.shape, strict=True)
    for one, two in reversed(list(sizes)):
        if max(one, two) > 1:
            return one == 1
    return False


def multiply(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:  # fmt: skip
    """A product of codes: ``clamp(rint((a − z_a)(b − z_b) · (s_a · s_b / s_y) + z_y))``.

    The zero point is added before rounding (MLAS, ``MlasQLinearMul``).

    Args:
        a, b: codes; shapes broadcast.
        a_scale, b_scale, y_scale: float32 ``[]``.
        a_zero, b_zero, y_zero: zero points ``[]``; the last one's type is the result's.
    """
    product = (a.float() - a_zero.float()) * (b.float() - b_zero.float())
    return rounded_together(product * (a_scale * b_scale / y_scale) + y_zero.float(), y_zero.dtype)


def lookup(
    x: Tensor, function: Callable[[Tensor], Tensor], scale: Tensor, zero_point: Tensor, y_scale: Tensor, y_zero: Tensor
) -> Tensor:
    """A function of codes by a table of 256: ``clamp(rint(f((c − z) · s) / s_y) + z_y)`` for every code c.

    Args:
        x: codes of eight bits.
        function: of float32 numbers, element by element.
        scale, zero_point: of the input, ``[]``.
        y_scale, y_zero: of the output, ``[]``.
    """
    low, high = limits(x.dtype)
    every = torch.arange(low, high + 1, device=x.device)
    table = rounded(function((every.float() - zero_point.float()) * scale) / y_scale, y_zero)
    return table[x.long() - low]


def recoded(x: Tensor, scale: Tensor, zero_point: Tensor, y_scale: Tensor, y_zero: Tensor) -> Tensor:
    """Codes in another scale; unchanged where both are the same."""
    if x.dtype == y_zero.dtype and torch.equal(scale, y_scale) and torch.equal(zero_point, y_zero):
        return x
    return lookup(x, lambda number: number, scale, zero_point, y_scale, y_zero)


def softmax(x: Tensor, scale: Tensor, y_scale: Tensor, y_zero: Tensor) -> Tensor:
    """A softmax of codes along the last axis, by a table of exponentials.

    ``e = float32(exp(c · s − max + h))`` where h spends float32's range, ``h = ln(FLT_MAX / n) − 5``; sums run in
    float32; ``rint(e · ⌊1 / s_y⌋ / Σe) + z_y`` (ONNX Runtime, ``QLinearSoftmax``). As in the runtime, a product
    that leaves float32's range becomes the lowest int32: 0 for unsigned codes.

    Args:
        x: codes of eight bits, ``[..., n]``.
        scale: of the input, ``[]``; its zero point cancels.
        y_scale, y_zero: of the output, ``[]``.
    """
    count = x.shape[-1]
    room = max(0.0, math.log(float(torch.tensor(FLT_MAX) / count)) - 5)
    step = float(scale)
    below = torch.arange(256, dtype=torch.float64, device=x.device) - 255
    table = torch.exp((below + room / step) * step).float()
    wide = x.int()
    found = table[(wide - wide.amax(-1, keepdim=True) + 255).long()]
    total = found[..., 0].clone()
    for place in range(1, count):
        total += found[..., place]
    ratio = (found * torch.floor(1 / y_scale) / total.unsqueeze(-1)).round()
    low, high = limits(y_zero.dtype)
    lost = torch.tensor(0.0 if low == 0 else LOWEST, dtype=torch.float64)
    shifted = torch.where(ratio.isinf(), lost, ratio.double()) + float(y_zero)
    shifted = torch.where(shifted < LOWEST, shifted - 2 * LOWEST, shifted)
    return shifted.clamp(low, high).to(y_zero.dtype)
