"""Sums and products element by element, functions by table, and the softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qdebug.quantize.integer.fused import fma
from qdebug.quantize.integer.requantize import LOWEST, Affine, limits, rounded, rounded_together

FLT_MAX = torch.finfo(torch.float32).max


def add(a: Tensor, of_a: Affine, b: Tensor, of_b: Affine, y: Affine) -> Tensor:
    """A sum of codes: ``clamp(rint(fma(a, r_a, fma(b, r_b, fixed))))``.

    ``r_a = s_a / s_y``, ``r_b = s_b / s_y`` and ``fixed = z_y − fma(r_a, z_a, r_b · z_b)``, all float32 (MLAS,
    ``MlasQLinearAdd``, as compiled with fused multiply-add). Where ``a`` is one value for a whole run of ``b`` the
    runtime changes their places.

    Args:
        a: codes.
        of_a: their scale.
        b: codes; shapes broadcast.
        of_b: their scale.
        y: the result's scale; its zero point's type is the result's.
    """
    if _is_repeated(a, b):
        a, of_a, b, of_b = b, of_b, a, of_a
    first, second = of_a.scale / y.scale, of_b.scale / y.scale
    fixed = y.zero_point.float() - fma(first, of_a.zero_point.float(), second * of_b.zero_point.float())
    return rounded_together(fma(a.float(), first, fma(b.float(), second, fixed)), y.zero_point.dtype)


def _is_repeated(a: Tensor, b: Tensor) -> bool:
    """Whether, along the last axis on which the shapes have anything, only ``b`` varies."""
    count = max(a.dim(), b.dim())
    sizes = zip((1,) * (count - a.dim()) + a.shape, (1,) * (count - b.dim()) + b.shape, strict=True)
    for one, two in reversed(list(sizes)):
        if max(one, two) > 1:
            return one == 1
    return False


def multiply(a: Tensor, of_a: Affine, b: Tensor, of_b: Affine, y: Affine) -> Tensor:
    """A product of codes: ``clamp(rint((a − z_a)(b − z_b) · (s_a · s_b / s_y) + z_y))``.

    The zero point is added before rounding (MLAS, ``MlasQLinearMul``).

    Args:
        a: codes.
        of_a: their scale.
        b: codes; shapes broadcast.
        of_b: their scale.
        y: the result's scale; its zero point's type is the result's.
    """
    product = (a.float() - of_a.zero_point.float()) * (b.float() - of_b.zero_point.float())
    shifted = product * (of_a.scale * of_b.scale / y.scale) + y.zero_point.float()
    return rounded_together(shifted, y.zero_point.dtype)


def lookup(x: Tensor, function: Callable[[Tensor], Tensor], of_x: Affine, y: Affine) -> Tensor:
    """A function of codes by a table of 256: ``clamp(rint(f((c − z) · s) / s_y) + z_y)`` for every code c.

    Args:
        x: codes of eight bits.
        function: of float32 numbers, element by element.
        of_x: their scale.
        y: the result's.
    """
    low, high = limits(x.dtype)
    every = torch.arange(low, high + 1, device=x.device)
    numbers = function((every.float() - of_x.zero_point.float()) * of_x.scale)
    return rounded(numbers / y.scale, y.zero_point)[x.long() - low]


def recoded(x: Tensor, of_x: Affine, y: Affine) -> Tensor:
    """Codes of one scale in another; unchanged where both are the same."""
    if x.dtype == y.zero_point.dtype and all(torch.equal(one, two) for one, two in zip(of_x, y, strict=True)):
        return x
    return lookup(x, lambda number: number, of_x, y)


def softmax(x: Tensor, scale: Tensor, y: Affine) -> Tensor:
    """A softmax of codes along the last axis, by a table of exponentials.

    ``e = float32(exp(c · s − max + h))`` where h spends float32's range, ``h = ln(FLT_MAX / n) − 5``; sums run in
    float32; ``rint(e · ⌊1 / s_y⌋ / Σe) + z_y`` (ONNX Runtime, ``QLinearSoftmax``). As in the runtime, a product
    that leaves float32's range becomes the lowest int32: 0 for unsigned codes.

    Args:
        x: codes of eight bits, ``[..., n]``.
        scale: of the input, ``[]``; its zero point cancels.
        y: scale and zero point of the result.
    """
    count = x.shape[-1]
    # the logarithm is float32's in the runtime; where its last bit lies decides ties
    room = max(0.0, float(torch.log(torch.tensor(FLT_MAX) / count)) - 5)
    step = float(scale)
    below = torch.arange(256, dtype=torch.float64, device=x.device) - 255
    table = torch.exp((below + room / step) * step).float()
    wide = x.int()
    found = table[(wide - wide.amax(-1, keepdim=True) + 255).long()]
    total = found[..., 0].clone()
    for place in range(1, count):
        total += found[..., place]
    ratio = (found * torch.floor(1 / y.scale) / total.unsqueeze(-1)).round()
    low, high = limits(y.zero_point.dtype)
    lost = torch.tensor(0.0 if low == 0 else LOWEST, dtype=torch.float64)
    shifted = torch.where(ratio.isinf(), lost, ratio.double()) + float(y.zero_point)
    shifted = torch.where(shifted < LOWEST, shifted - 2 * LOWEST, shifted)
    return shifted.clamp(low, high).to(y.zero_point.dtype)
