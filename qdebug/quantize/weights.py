"""Weights: one scale per tensor, output channel or group."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.formats import find
from qdebug.quantize import ranges
from qdebug.quantize.layout import from_rows, rows
from qdebug.quantize.qparams import QParams, choose_qparams
from qdebug.quantize.rounding import cast, fake_quantize
from qdebug.recipes import TensorPlan


def weight_qparams(w: Tensor, plan: TensorPlan, out_axis: int = 0, *, layer: str | None = None) -> QParams | None:
    """The grid of a weight in its canonical form ``[out, in]`` (see :func:`qdebug.quantize.rows`).

    Ranges are exact on the data and come from finite values only. A moving average is a min-max here: there is one
    batch. A hand-set clip range replaces the range of a tensor with one scale, and cuts each range of one with several.

    Returns:
        Scales of shape ``[]``, ``[out, 1]`` or ``[out, groups]``; None for a float format.

    Raises:
        NumericError: no value is finite.
    """
    fmt = find(plan.format)
    if not fmt.is_integer:
        return None
    if w.numel() and not bool(torch.isfinite(w).any()):
        raise NumericError("No value of the weight is finite", do="Mend the model's weights.", layer=layer)
    size = plan.group_size if plan.granularity == "group" else 0
    if plan.granularity == "tensor" and plan.clip is not None:
        return choose_qparams(*plan.clip, fmt, plan.symmetric, layer=layer)
    matrix = w.reshape(1, -1) if plan.granularity == "tensor" else rows(w, out_axis)
    low, high = _range(matrix, plan, size)
    if plan.clip is not None:
        low, high = low.clamp(min=plan.clip[0]), high.clamp(max=plan.clip[1])
    if plan.granularity == "tensor":
        low, high = low.view(()), high.view(())
    return choose_qparams(low, high, fmt, plan.symmetric, group_size=size, layer=layer)


def quantize_weight(
    w: Tensor, plan: TensorPlan, out_axis: int = 0, *, layer: str | None = None
) -> tuple[Tensor, QParams | None]:
    """The weight as the plan would store it, in the shape and strides of ``w``, and its grid.

    Raises:
        NumericError: see :func:`weight_qparams`.
    """
    qparams = weight_qparams(w, plan, out_axis, layer=layer)
    if qparams is None:
        return cast(w, find(plan.format)), None
    if qparams.scale.dim() == 0 or (out_axis in (0, -w.dim()) and w.is_contiguous()):
        return fake_quantize(w, qparams), qparams
    return from_rows(fake_quantize(rows(w, out_axis), qparams), w, out_axis), qparams


def _range(matrix: Tensor, plan: TensorPlan, size: int) -> ranges.Range:
    fmt = find(plan.format)
    match plan.range:
        case "percentile":
            return ranges.percentile(matrix, plan.percentile, size)
        case "mse":
            return ranges.mse(matrix, fmt, plan.symmetric, size)
        case "entropy":
            if size:
                raise ValueError("a group has too few values for the entropy method")
            return ranges.entropy(matrix, fmt, plan.symmetric)
        case "aciq_laplace" | "aciq_gauss":
            return ranges.aciq(
                matrix, "laplace" if plan.range == "aciq_laplace" else "gauss", fmt, plan.symmetric, size
            )
        case "octav":
            return ranges.octav(matrix, fmt, plan.symmetric, size)
        case _:
            return ranges.minmax(matrix, size)
