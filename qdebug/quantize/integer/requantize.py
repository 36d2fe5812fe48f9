"""From sums back to codes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LOWEST = float(-(2**31))


class Affine(NamedTuple):
    """The one scale of a tensor of codes: ``x = (code − zero_point) · scale``.

    Attributes:
        scale: float32 ``[]``.
        zero_point: ``[]``, of the codes' type.
    """

    scale: Tensor
    zero_point: Tensor


def limits(kind: torch.dtype) -> tuple[int, int]:
    """The lowest and the highest code of an integer type."""
    info = torch.iinfo(kind)
    return int(info.min), int(info.max)


def requantize(total: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """Codes of sums: ``clamp(rint(float32(total) · scale) + zero_point)``.

    The multiplication is float32's, half-way values go to the even code before the zero point is added (MLAS,
    ``MlasRequantizeOutput``).

    Args:
        total: exact sums, float32 or float64.
        scale: float32 ``s_x · s_w / s_y``, multiplied first, then divided; broadcasts.
        zero_point: of the output, ``[]``; its type is the codes'.
    """
    zero = float(zero_point)
    low, high = limits(zero_point.dtype)
    ratio = scaled(total, scale)
    return ratio.clamp_(low - zero, high - zero).round_().add_(zero).to(zero_point.dtype)


def scaled(total: Tensor, scale: Tensor) -> Tensor:
    """Numbers of sums: ``float32(total) · scale``."""
    return total.float() * scale


def rounded(ratio: Tensor, zero_point: Tensor) -> Tensor:
    """Codes of float32 ratios: ``clamp(rint(ratio) + zero_point)``."""
    zero = float(zero_point)
    low, high = limits(zero_point.dtype)
    return ratio.clamp(low - zero, high - zero).round_().add_(zero).to(zero_point.dtype)


def rounded_together(shifted: Tensor, kind: torch.dtype) -> Tensor:
    """Codes of float32 ratios that the zero point has been added to already: ``clamp(rint(shifted))``."""
    low, high = limits(kind)
    return shifted.clamp(low, high).round_().to(kind)
