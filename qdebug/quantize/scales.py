"""How scales are stored: in fewer bits than float32, and in blocks themselves."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from qdebug.recipes.plan import ScaleFormat
from qdebug.targets import SECOND

_SMALLEST = {"fp16": 2.0**-24, "bf16": 2.0**-126}
_LARGEST = {"fp16": 65504.0, "bf16": 3.3895313892515355e38}


def stored_scale(scale: Tensor, how: ScaleFormat | None) -> Tensor:
    """Positive scales as they are read again; float32, never zero.

    ``fp16``, ``bf16``: rounded half to even, kept within what the format has. ``e8m0``: the smallest power of two that
    is not below, so that nothing is clipped by it. ``double``: see :func:`double_quantize`.

    Args:
        scale: positive, any float dtype and shape.
        how: the storage; None and ``fp32`` round to float32.
    """
    if how in ("fp16", "bf16"):
        kept = scale.double().clamp(_SMALLEST[how], _LARGEST[how])
        return kept.to(torch.float16 if how == "fp16" else torch.bfloat16).float()
    if how == "e8m0":
        mantissa, exponent = torch.frexp(scale.double())
        exponent = (exponent - (mantissa == 0.5).int()).clamp(-126, 127)
        return torch.ldexp(torch.ones_like(scale, dtype=torch.float64), exponent).float()
    if how == "double":
        return double_quantize(scale.float())
    return scale.float()


def double_quantize(scale: Tensor) -> Tensor:
    """QLoRA's double quantization: scales less their mean, in 8 bits, with one float32 scale for 256 of them.

    The 8-bit type is the dynamic one of Dettmers et al. 2022 (arXiv 2110.02861, section 2.1), which the authors' code
    uses here too. The mean is taken away because scales are positive (QLoRA, arXiv 2305.14314, section 3). A scale that
    would come back as zero or less, which the type can do to the smallest, becomes the smallest positive one there is.
    Computed in float64.

    Args:
        scale: float32, positive, any shape; blocks of 256 run through it in row-major order.
    """
    if not scale.numel():
        return scale
    flat = scale.reshape(-1).double()
    mean = flat.mean().float().double()  # it is stored, too
    rest = flat - mean
    padded = torch.nn.functional.pad(rest, (0, -len(rest) % SECOND)).view(-1, SECOND)
    absmax = padded.abs().amax(1, keepdim=True).float().double()
    absmax = torch.where(absmax == 0, 1.0, absmax)
    levels = dynamic_levels().double()
    places = torch.bucketize(padded / absmax, (levels[1:] + levels[:-1]) / 2)
    limits = torch.finfo(torch.float32)
    back = ((levels[places] * absmax).view(-1)[: len(flat)] + mean).clamp(max=limits.max).float()
    least = torch.where(back > 0, back, torch.inf).amin().clamp(min=limits.tiny)
    return torch.where(back > 0, back, least).view(scale.shape)


@cache
def dynamic_levels() -> Tensor:
    """The 256 numbers of the signed dynamic 8-bit type, ascending, float32.

    The number of leading zero bits is a power of ten, from 10^−6 to 1; the bits after it divide [0.1, 1] of that power
    into equal parts, of which the middles are taken. Zero and one are added.
    """
    positive = [0.0, 1.0]
    for bits in range(7):
        edges = torch.linspace(0.1, 1.0, 2**bits + 1)
        positive += ((edges[1:] + edges[:-1]) / 2 * 10.0 ** (bits - 6)).tolist()
    negative = [-value for value in positive if value not in (0.0, 1.0)]
    return torch.tensor(sorted(positive + negative), dtype=torch.float32)
