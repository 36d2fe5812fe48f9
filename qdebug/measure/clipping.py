"""Clipping against rounding: the error of a weight at one clip limit after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec.structs import replace
from torch import Tensor

from qdebug.measure.split import error_split
from qdebug.quantize import quantize_weight
from qdebug.recipes import TensorPlan
from qdebug.results import ClipCurve

PARTS = tuple(step / 50 for step in range(1, 51))
"""Limits that are tried, as parts of the largest magnitude."""


def clip_curve(weight: Tensor, plan: TensorPlan, parts: Sequence[float] = PARTS) -> ClipCurve:
    """The error split of a weight at symmetric clip limits.

    Args:
        weight: ``[R, C]``; what is not finite counts for nothing.
        plan: of integers, with one scale for all; its own range and clip limits are put aside.
        parts: the limits, as parts of the largest magnitude.
    """
    finite = weight[torch.isfinite(weight)]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    splits = []
    for part in parts if largest else ():
        at = replace(plan, clip=(-part * largest, part * largest))
        splits.append(error_split(weight, *quantize_weight(weight, at), at))
    return ClipCurve(
        format=plan.label, largest=largest, parts=tuple(parts) if largest else (),
        clipping=tuple(one.clipping_mse for one in splits), rounding=tuple(one.rounding_mse for one in splits),
    )  # fmt: skip
