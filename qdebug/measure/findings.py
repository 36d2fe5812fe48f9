"""What is odd about a tensor, in words."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from qdebug.formats import FP16, Gguf, find
from qdebug.measure.channels import channel_limits, channel_ranges
from qdebug.recipes import TensorPlan
from qdebug.results import Finding

EXTREME = 1e30
"""Finite magnitudes that no signal has: constants such as an attention mask's −3.4e38."""

_SMALLEST_NORMAL = 2.0**-126

_FP16_OVERFLOW = 65520.0
"""The smallest magnitude that rounds to infinity in binary16, half a unit above 65504."""


def tensor_findings(
    layer: str,
    tensor: str,
    *,
    count: int,
    nan: int = 0,
    inf: int = 0,
    channel_low: ArrayLike,
    channel_high: ArrayLike,
    plan: TensorPlan | None = None,
) -> tuple[Finding, ...]:
    """Everything odd about one tensor.

    Kinds: ``empty``, ``nan``, ``inf``, ``all-zero``, ``constant``, ``denormal`` (nothing but zeros is as large as the
    smallest normal float32), ``dead-channels`` (always zero), ``outlier-channels``, ``extreme-value`` (finite, but of a
    magnitude that no signal has), ``fp16-overflow``.

    Args:
        layer: where.
        tensor: ``weight``, ``activation``, ``output`` or ``data``.
        count: values seen.
        nan: how many of them were NaN.
        inf: how many were infinite.
        channel_low: smallest finite value of each channel, +inf where there is none.
        channel_high: largest finite value of each channel, −inf where there is none.
        plan: how it is quantized, where that matters.
    """
    low, high = np.atleast_1d(np.asarray(channel_low, float)), np.atleast_1d(np.asarray(channel_high, float))
    found: list[tuple[str, str]] = [] if count else [("empty", "There are no values.")]
    if nan:
        found.append(("nan", f"{nan} of {count} values are NaN."))
    if inf:
        found.append(("inf", f"{inf} of {count} values are infinite."))
    some = low <= high
    if some.any():
        found += _limits(float(low[some].min()), float(high[some].max()), plan)
        found += _channels(low[some], high[some])
    return tuple(Finding(kind=kind, layer=layer, tensor=tensor, text=text) for kind, text in found)


def weight_findings(layer: str, w: Tensor, out_axis: int = 0, plan: TensorPlan | None = None) -> tuple[Finding, ...]:
    """Everything odd about a weight; see :func:`tensor_findings`.

    One kind more, for llama.cpp's formats: ``row-length`` (it would store rows of this length in another format).
    """
    low, high = channel_limits(w, out_axis)
    nan, inf = int(torch.isnan(w).sum()), int(torch.isinf(w).sum())
    found = tensor_findings(
        layer, "weight", count=w.numel(), nan=nan, inf=inf, channel_low=low, channel_high=high, plan=plan
    )
    form = find(plan.format) if plan is not None else None
    if not isinstance(form, Gguf) or not w.numel():
        return found
    columns, said = w.numel() // w.shape[out_axis], []
    if form.stored_as(columns) != form.name:
        said.append((
            "row-length",
            f"Rows of {columns} values are no whole number of {form.name}'s blocks of {form.size}: shown is "
            f"{form.name} with a part of a block at the end, while llama.cpp would store {form.stored_as(columns)}.",
        ))  # fmt: skip
    return found + tuple(Finding(kind=kind, layer=layer, tensor="weight", text=text) for kind, text in said)


def _limits(low: float, high: float, plan: TensorPlan | None) -> list[tuple[str, str]]:
    if low == high == 0:
        return [("all-zero", "All values are zero.")]
    found = [("constant", f"All values are {low:.3g}.")] if low == high else []
    absmax = max(-low, high)
    if absmax < _SMALLEST_NORMAL:
        found.append((
            "denormal",
            f"No magnitude is above {absmax:.3g}: below the smallest normal float32, 1.18e-38, where digits are lost, "
            "and many processors compute with zero instead.",
        ))  # fmt: skip
    if absmax >= EXTREME:
        reach = low if -low == absmax else high
        found.append((
            "extreme-value",
            f"A value reaches {reach:.3g}: a constant such as an attention mask's, not a signal. A min-max range that "
            "holds it leaves no code for anything else.",
        ))  # fmt: skip
    form = find(plan.format) if plan is not None else None
    if form is FP16 and absmax >= _FP16_OVERFLOW:
        found.append(("fp16-overflow", f"Values up to {absmax:.3g} overflow fp16, whose largest is 65504."))
    if isinstance(form, Gguf) and _float16_scale(low, high, form) >= _FP16_OVERFLOW:
        text = f"Values up to {absmax:.3g} make the float16 scale of a {form.title} block infinite; the block is lost."
        found.append(("fp16-overflow", text))
    return found


def _float16_scale(low: float, high: float, form: Gguf) -> float:
    """The largest number that a block of llama.cpp's formats holds in float16: a scale, or the minimum.

    Blocks of 256 divide both once more, by the 63 (q4_k) or 128 (q6_k) of a run's own scale.
    """
    runs = 1 if form.size == form.run else 63 if form.minimum else 128
    if not form.minimum:
        return max(-low, high) / max(-form.low, form.high) / runs
    return max(max(high, 0.0) - min(low, 0.0), form.high * abs(low)) / form.high / runs


def _channels(low: np.ndarray, high: np.ndarray) -> list[tuple[str, str]]:
    found = []
    dead = int(((low == 0) & (high == 0)).sum())
    if 0 < dead < len(low):
        found.append(("dead-channels", f"{dead} of {len(low)} channels are always zero."))
    ranges = channel_ranges(low, high)
    if ranges.outliers:
        many = len(ranges.outliers)
        subject = "One channel is" if many == 1 else f"{many} channels are"
        ratio = f"{ranges.widest_ratio:.3g}" if ranges.widest_ratio < 1000 else f"{math.floor(ranges.widest_ratio):.2e}"
        upto = "" if many == 1 else "up to "
        found.append(("outlier-channels", f"{subject} {upto}{ratio}× wider than the median of {len(low)}."))
    return found
