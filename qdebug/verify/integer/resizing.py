"""A bilinear Resize in the order in which ONNX Runtime adds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.resize import resize
from qdebug.doors.onnx.registry import operator
from qdebug.verify.integer.kernels import DOMAIN

_HALF = ("half_pixel", "pytorch_half_pixel")


@operator("Resize", domain=DOMAIN)
def resize_bilinear(
    x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, **attributes: Any
) -> Tensor:
    """Images in other sizes; numbers half-way between codes are common here, and their last bit decides.

    ``((w₁h₁ · a + w₂h₁ · b) + w₁h₂ · c) + w₂h₂ · d`` in float32 (ONNX Runtime, ``UpsampleBilinear``), where a and b are
    the neighbours in the upper row, c and d in the lower one. Any other Resize is the ONNX door's.
    """
    found = resize(x, roi, scales, sizes, **attributes)
    if not _is_bilinear(x, scales, attributes):
        return found
    where = attributes.get("coordinate_transformation_mode", "half_pixel")
    factors = [1.0, 1.0] if scales is None else [float(scales[-2]), float(scales[-1])]
    if scales is None or not scales.numel():
        factors = [found.shape[axis] / x.shape[axis] for axis in (2, 3)]
    upper, lower, top, bottom = _neighbours(x.shape[2], found.shape[2], factors[0], where, x.device)
    left, right, near, far = _neighbours(x.shape[3], found.shape[3], factors[1], where, x.device)
    high, low = x[:, :, upper], x[:, :, lower]
    top, bottom = top.unsqueeze(1), bottom.unsqueeze(1)
    total = (near * top) * high[..., left] + (far * top) * high[..., right]
    return total + (near * bottom) * low[..., left] + (far * bottom) * low[..., right]


def _is_bilinear(x: Tensor, scales: Tensor | None, attributes: dict[str, Any]) -> bool:
    plain = not attributes.get("antialias") and not attributes.get("exclude_outside") and "axes" not in attributes
    where = attributes.get("coordinate_transformation_mode", "half_pixel")
    images = x.dim() == 4 and x.dtype == torch.float32
    given = scales is None or not scales.numel() or bool((scales[:2] == 1).all())
    return plain and images and given and attributes.get("mode") == "linear" and where in (*_HALF, "asymmetric")


def _neighbours(
    old: int, new: int, factor: float, where: str, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each place of an axis the neighbours before and behind, and their weights."""
    place = torch.arange(new, dtype=torch.float32, device=device)
    scale = torch.tensor(factor, dtype=torch.float32, device=device)
    if where == "asymmetric":
        place = place / scale
    elif where == "pytorch_half_pixel" and new <= 1:
        place = torch.zeros_like(place)
    else:
        place = (place + 0.5) / scale - 0.5
    place = place.clamp(0, old - 1)
    before = place.long().clamp(max=old - 1)
    behind = (before + 1).clamp(max=old - 1)
    ahead, back = (place - before).abs(), (place - behind).abs()
    alone = before == behind
    return before, behind, back.masked_fill(alone, 0.5), ahead.masked_fill(alone, 0.5)
