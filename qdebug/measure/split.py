"""What quantization does to one tensor: its squared error, split into clipping and rounding."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.formats import find
from qdebug.measure.limits import Limits
from qdebug.quantize import QParams, dynamic_qparams, flat, is_dynamic
from qdebug.recipes import TensorPlan
from qdebug.results import ErrorSplit

try:
    from qdebug.measure import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

HALF_STEP = 0.5 + 2.0**-10
"""Steps beyond a clip limit from which a value counts as clipped: half a step, and what float32 may add to it."""


class SplitAccumulator:
    """Adds up the error of a tensor that comes in batches.

    A value is clipped where it lies outside the clip range of its scale by more than half a step; its whole error is
    clipping error. All other error is rounding error. A float that overflows to Inf is clipped and, its error being
    without bound, counts as if it had become 0. NaN and ±Inf in the tensor itself count for nothing here: they are
    findings.

    Args:
        plan: how the tensor is quantized.
    """

    def __init__(self, plan: TensorPlan) -> None:
        self._plan, self._format = plan, find(plan.format)
        first, last = self._format.codes(plan.symmetric) if self._format.is_integer else (0, -1)
        self._seen = np.zeros(last - first + 2, np.bool_)  # the last is for what is no code
        self._sums = np.zeros(5)
        self._limits, self._clip, self._scale = Limits(), Limits(), Limits()

    def add(self, x: Tensor, xq: Tensor, qparams: QParams | None = None, out_axis: int = 0) -> None:
        """Compare a batch with its quantized self.

        Args:
            x: float values.
            xq: the same, quantized; of equal shape.
            qparams: the grid. None for a float format; a dynamic plan's is made from ``x`` where it is None.
            out_axis: a weight's output axis: with it moved to the front the tensor falls into one row per scale.
        """
        x, xq = x.detach().float(), xq.detach().float()
        if not x.numel():
            return
        self._limits.see_finite(x)
        if not self._format.is_integer:
            self._add_cast(x.reshape(-1), xq.reshape(-1))
            return
        if qparams is None and is_dynamic(self._plan):
            qparams = dynamic_qparams(x, self._plan)
        if qparams is None:
            raise ValueError(f"{self._format.name} needs qparams")
        self._clip.see(float(qparams.clip_min.min()), float(qparams.clip_max.max()))
        self._scale.see(float(qparams.scale.min()), float(qparams.scale.max()))
        self._add_grid(*_in_rows(x, xq, qparams, out_axis), qparams)

    def finish(self) -> ErrorSplit:
        """The split over everything added."""
        count, signal, clipping, rounding, clipped = self._sums.tolist()
        count = max(count, 1)
        clipping, rounding = clipping / count, rounding / count
        mse = clipping + rounding
        integer = self._format.is_integer
        return ErrorSplit(
            format=self._plan.label, sqnr_db=decibels(signal / count, mse), mse=mse,
            clipping_mse=clipping, rounding_mse=rounding, clipping_rate=clipped / count,
            used_codes=int(self._seen[:-1].sum()), codes=self._seen.size - 1,
            rmin=self._limits.low, rmax=self._limits.high,
            clip_min=self._clip.low if integer else -self._format.largest,
            clip_max=self._clip.high if integer else self._format.largest,
            scale_min=self._scale.low, scale_max=self._scale.high,
        )  # fmt: skip

    def _add_cast(self, x: Tensor, xq: Tensor) -> None:
        if kernels is not None and x.device.type == "cpu":
            kernels.split_cast(x.numpy(), xq.numpy(), self._sums)
            return
        finite = torch.isfinite(x)
        value, lost = x.double()[finite], ~torch.isfinite(xq)[finite]
        squared = (xq.double()[finite] - value).square()
        self._sums += _sums(value, torch.where(lost, value.square(), squared), lost)

    def _add_grid(self, x: Tensor, xq: Tensor, qparams: QParams) -> None:
        rows, columns = x.shape
        scale = qparams.scale.reshape(rows, -1)
        low, high = ((code - qparams.zero_point).reshape(rows, -1) for code in (qparams.qmin, qparams.qmax))
        size = qparams.group_size or columns
        if kernels is not None and x.device.type == "cpu":
            below, above = low.contiguous().numpy(), high.contiguous().numpy()
            kernels.split(x.numpy(), xq.numpy(), scale.contiguous().numpy(), below, above, size, self._sums, self._seen)
            return
        scale, low, high = (part.repeat_interleave(size, dim=1)[:, :columns] for part in (scale, low, high))
        finite, place = torch.isfinite(x), x / scale
        clipped = (place < low - HALF_STEP) | (place > high + HALF_STEP)
        value = x.double()
        self._sums += _sums(value[finite], (xq.double() - value).square()[finite], clipped[finite])
        codes = (torch.round(xq / scale) - low)[~torch.isnan(xq)].long()
        none = self._seen.size - 1
        self._seen[torch.where((codes < 0) | (codes > none), none, codes).unique().cpu().numpy()] = True


def error_split(x: Tensor, xq: Tensor, qparams: QParams | None, plan: TensorPlan, out_axis: int = 0) -> ErrorSplit:
    """The split of a tensor at hand; see :class:`SplitAccumulator`."""
    split = SplitAccumulator(plan)
    split.add(x, xq, qparams, out_axis)
    return split.finish()


def decibels(signal: float, noise: float) -> float | None:
    """``10 · log10(signal / noise)`` of two powers; None where either is zero."""
    return 10.0 * (math.log10(signal) - math.log10(noise)) if signal > 0 and noise > 0 else None


def _in_rows(x: Tensor, xq: Tensor, qparams: QParams, axis: int) -> tuple[Tensor, Tensor]:
    """Both as ``[R, C]``, one row per scale, in equal order; views where memory allows."""
    if not qparams.scale.dim():
        one, two = flat(x), flat(xq)
        if one is None or two is None or x.stride() != xq.stride():
            one, two = x.reshape(-1), xq.reshape(-1)
        return one.view(1, -1), two.view(1, -1)
    rows = qparams.scale.shape[0]
    one, two = (values.movedim(axis, 0).reshape(rows, -1).contiguous() for values in (x, xq))
    return one, two


def _sums(value: Tensor, squared: Tensor, clipped: Tensor) -> NDArray[np.float64]:
    clipping = torch.where(clipped, squared, 0.0).sum()
    rounding = torch.where(clipped, 0.0, squared).sum()
    parts = (value.numel(), value.square().sum(), clipping, rounding, clipped.sum())
    return np.array([float(part) for part in parts])
