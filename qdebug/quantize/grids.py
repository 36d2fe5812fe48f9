"""The grid of a plan at given ranges, whatever the format."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.formats import Integer, find
from qdebug.quantize.levels import LevelGrid, level_grid
from qdebug.quantize.qparams import QParams, choose_qparams, fitting
from qdebug.recipes import TensorPlan

Grid = QParams | LevelGrid
"""What values are rounded to: a uniform grid or one of levels."""


def choose_grid(
    rmin: Tensor | float, rmax: Tensor | float, plan: TensorPlan, *, group_size: int = 0, **where: object
) -> Grid:
    """Scales for real ranges, in the way of the plan's format.

    Integers as in :func:`choose_qparams`. Small floats and tables: the larger end of the range gets the format's
    largest level; a range of zero alone gets the scale 1.

    Args:
        rmin: lower real limits, in the shape that the scales shall have: ``[]``, ``[R, 1]`` or ``[R, G]``.
        rmax: upper ones.
        plan: the plan; its format has a scale.
        group_size: values per group.
        where: layer and tensor, for the message.

    Raises:
        NumericError: a limit is NaN or infinite.
    """
    form = find(plan.format)
    if isinstance(form, Integer):
        return choose_qparams(
            rmin, rmax, form, plan.symmetric, group_size=group_size, scale_format=plan.scale_format, **where
        )
    low, high = torch.as_tensor(rmin, dtype=torch.float64), torch.as_tensor(rmax, dtype=torch.float64)
    absmax = torch.maximum(-low, high)
    if not bool(torch.isfinite(absmax).all()):
        raise NumericError(
            "A range to quantize is not finite", do="Look for the NaN or Inf in the tensor or its producer.", **where
        )
    return level_grid(form, fitting(absmax.clamp(min=0.0) / form.largest, form.largest, plan.scale_format), group_size)
