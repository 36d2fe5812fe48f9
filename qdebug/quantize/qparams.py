"""Scales and zero points: from a real range to the parameters of a uniform grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.formats import QFormat

SMALLEST_SCALE = float(torch.finfo(torch.float32).tiny)
"""Scales are never smaller than the smallest normal float32. A larger floor would ruin small weights."""

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
    rmin: Tensor | float, rmax: Tensor | float, fmt: QFormat, symmetric: bool, *, group_size: int = 0, **where: object
) -> QParams:
    """Scale and zero point for each real range.

    The range is widened to hold zero, so that zero is exactly representable (Jacob et al. 2018, section 2.1).
    Symmetric: ``scale = absmax / qmax`` on signed codes. Affine: ``scale = (rmax − rmin) / (qmax − qmin)`` on unsigned
    codes and ``zero_point = round(qmin − rmin / scale)``. A range of zero alone gets the scale 1. Computed in float64,
    so that no finite range overflows; nor does any representable real in float32.

    Args:
        rmin: lower real limits, in the shape that the result shall have (see :class:`QParams`).
        rmax: upper ones, of that shape.
        fmt: an integer format.
        symmetric: zero point fixed at 0.
        group_size: handed to the result.
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
    scale = torch.maximum(-low, high) / qmax if symmetric else (high - low) / (qmax - qmin)
    scale = torch.where(scale == 0.0, 1.0, scale.clamp(min=SMALLEST_SCALE))
    zero_point = torch.zeros_like(scale) if symmetric else torch.round(qmin - low / scale.float()).clamp(qmin, qmax)
    reach = torch.maximum(zero_point - qmin, qmax - zero_point)  # the largest multiple of the scale that occurs
    scale = torch.minimum(scale, _LARGEST / reach)
    return QParams(scale.float(), zero_point.float(), qmin, qmax, group_size)
