"""Scales and zero points: from a real range to the parameters of a uniform grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.formats import Integer
from qdebug.quantize.scales import stored_scale
from qdebug.recipes.plan import ScaleFormat

SMALLEST_SCALE = float(torch.finfo(torch.float32).tiny)
"""Scales are never smaller than the smallest normal float32. A larger floor would ruin small weights."""

Real = TypeVar("Real", float, Tensor)

_LARGEST = float(torch.finfo(torch.float32).max) * (1 - 2.0**-22)


@dataclass(frozen=True, eq=False)
class QParams:
    """The grid that values are rounded to: ``x ≈ (q − zero_point) · scale`` with ``qmin ≤ q ≤ qmax``.

    Attributes:
        scale: float32, positive and normal; shape ``[]`` for one scale, ``[R, 1]`` for one per row, ``[R, G]`` for G
            groups in each of R rows.
        zero_point: float32 of the same shape, holding integers. Float, because all arithmetic with it is float32, in
            which codes of up to 24 bits are exact: no conversion stands between it and the data.
        qmin, qmax: code limits.
        group_size: values per group along a row (the last group of a row may be shorter); 0 without groups.
    """

    scale: Tensor
    zero_point: Tensor
    qmin: int
    qmax: int
    group_size: int = 0

    @cached_property
    def limits(self) -> tuple[np.float32, np.float32, np.float32]:
        """For one scale: the scale, and the code limits minus the zero point."""
        zero = self.zero_point.item()
        return np.float32(self.scale.item()), np.float32(self.qmin - zero), np.float32(self.qmax - zero)

    @property
    def clip_min(self) -> Tensor:
        """The smallest representable reals, float64, in the shape of ``scale``."""
        return (self.qmin - self.zero_point.double()) * self.scale.double()

    @property
    def clip_max(self) -> Tensor:
        """The largest representable reals, float64, in the shape of ``scale``."""
        return (self.qmax - self.zero_point.double()) * self.scale.double()


def choose_qparams(
    rmin: Tensor | float,
    rmax: Tensor | float,
    fmt: Integer,
    symmetric: bool,
    *,
    group_size: int = 0,
    scale_format: ScaleFormat | None = None,
    **where: object,
) -> QParams:
    """Scale and zero point for each real range.

    The range is widened to hold zero, so that zero is exactly representable (Jacob et al. 2018, section 2.1).
    Symmetric: ``scale = absmax / qmax`` on signed codes (``rmax / qmax`` on unsigned ones). Affine: ``scale = (rmax −
    rmin) / (qmax − qmin)`` on unsigned codes and ``zero_point = round(qmin − rmin / scale)``. A range of zero alone
    gets the scale 1. Computed in float64, so that no finite range overflows; nor does any representable real in
    float32.

    Args:
        rmin: lower real limits, in the shape that the result shall have (see :class:`QParams`).
        rmax: upper ones, of that shape.
        fmt: an integer format.
        symmetric: zero point fixed at 0.
        group_size: handed to the result.
        scale_format: how scales are stored; the zero point belongs to the stored scale.
        where: layer and tensor, for the message.

    Raises:
        NumericError: a limit is NaN or infinite.
    """
    low, high = torch.as_tensor(rmin, dtype=torch.float64), torch.as_tensor(rmax, dtype=torch.float64)
    if not bool(torch.isfinite(high - low).all()):
        raise NumericError(
            "A range to quantize is not finite", do="Look for the NaN or Inf in the tensor or its producer.", **where
        )
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    qmin, qmax = fmt.codes(symmetric)
    if symmetric:
        scale = (high if qmin >= 0 else torch.maximum(-low, high)) / qmax
        zero_point = torch.zeros_like(scale)
        scale = fitting(scale, max(-qmin, qmax), scale_format)
        return QParams(scale, zero_point.float(), qmin, qmax, group_size)
    scale = (high - low) / (qmax - qmin)
    zero_point = torch.round(qmin - low / fitting(scale, 0, scale_format)).clamp(qmin, qmax)
    reach = torch.maximum(zero_point - qmin, qmax - zero_point)  # the largest multiple of the scale that occurs
    return QParams(fitting(scale, reach, scale_format), zero_point.float(), qmin, qmax, group_size)


def fitting(scale: Tensor, reach: Tensor | float, how: ScaleFormat | None = None) -> Tensor:
    """Scales as they are stored, float32, within what float32 arithmetic can use.

    1 for zero, never below the smallest normal number, nor so large that ``reach`` of them exceed float32.

    Args:
        scale: float64, not negative.
        reach: the largest multiple of the scale that occurs.
        how: the storage.
    """
    kept = stored_scale(torch.where(scale == 0.0, 1.0, scale.clamp(min=SMALLEST_SCALE)), how).double()
    limit = reach_limit(torch.as_tensor(reach, dtype=torch.float64))
    if how == "e8m0":
        limit = 2.0 ** limit.log2().floor()
    elif how == "bf16":  # the upper half of its float32
        limit = (limit.float().view(torch.int32) & -0x10000).view(torch.float32).double()
    return torch.minimum(kept, limit).float()


def reach_limit(reach: Real) -> Real:
    """The largest scale of which so many still fit into float32."""
    return _LARGEST / reach
