"""What quantization does to one tensor: its squared error, split into clipping and rounding."""

from __future__ import annotations

import math

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from torch import Tensor

from qdebug.formats import Integer, find
from qdebug.measure.limits import Limits
from qdebug.quantize import Grid, LevelGrid, QParams, dynamic_grid, flat, is_dynamic
from qdebug.quantize.tiles import spread, tiles
from qdebug.recipes import FLOAT, TensorPlan
from qdebug.results import ErrorSplit

try:
    from qdebug.measure import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

_CHUNK = 1 << 18

HALF_STEP = 0.5 + 2.0**-10
"""Steps beyond a clip limit from which a value counts as clipped: half a step, and what float32 may add to it."""


class SplitAccumulator:
    """Adds up the error of a tensor that comes in batches.

    A value is clipped where it lies outside the clip range of its scale by more than half a step (half the outermost
    gap between levels); its whole error is clipping error. All other error is rounding error. What overflows to Inf is
    clipped and, its error being without bound, counts as if it had become 0. NaN and ±Inf in the tensor itself
    count for nothing here: they are findings.

    Args:
        plan: how the tensor is quantized.
    """

    def __init__(self, plan: TensorPlan) -> None:
        self._plan, self._format = plan, find(plan.format)
        first, last = self._format.codes(plan.symmetric) if isinstance(self._format, Integer) else (0, -1)
        self._seen = np.zeros(last - first + 2, np.bool_)  # the last is for what is no code
        self._used = self._codes = 0  # of grids whose codes were counted elsewhere
        self._sums = np.zeros(5)
        self._limits, self._clip, self._scale = Limits(), Limits(), Limits()

    def add(self, x: Tensor, xq: Tensor, qparams: Grid | None = None, out_axis: int = 0) -> None:
        """Compare a batch with its quantized self.

        Args:
            x: float values.
            xq: the same, quantized; of equal shape.
            qparams: the grid. None for a cast to a float format; a dynamic plan's is made from ``x`` where it is None.
            out_axis: a weight's output axis: with it moved to the front the tensor falls into one row per scale.
        """
        x, xq = x.detach().float(), xq.detach().float()
        if not x.numel():
            return
        self._limits.see_finite(x)
        if qparams is None and is_dynamic(self._plan):
            qparams = dynamic_grid(x, self._plan)
        if qparams is None and self._format.is_integer:
            raise ValueError(f"{self._format.name} needs qparams")
        if qparams is None:
            self._add_cast(x.reshape(-1), xq.reshape(-1))
            return
        for limit in (qparams.clip_min, qparams.clip_max):
            self._clip.see_finite(limit)
        self._scale.see_finite(qparams.scale)
        one, two = _in_rows(x, xq, qparams, out_axis)
        if isinstance(qparams, QParams):
            self._see_codes(qparams.qmax - qparams.qmin + 1)
            self._add_grid(one, two, qparams)
        else:
            self._add_levels(one, two, qparams)

    def finish(self) -> ErrorSplit:
        """The split over everything added."""
        count, signal, clipping, rounding, clipped = self._sums.tolist()
        count = max(count, 1)
        clipping, rounding = clipping / count, rounding / count
        mse = clipping + rounding
        scaled = self._scale.high != 0.0
        largest = self._format.largest
        return ErrorSplit(
            format=self._plan.label, sqnr_db=decibels(signal / count, mse), mse=mse,
            clipping_mse=clipping, rounding_mse=rounding, clipping_rate=clipped / count,
            used_codes=self._used or int(self._seen[:-1].sum()), codes=self._codes or self._seen.size - 1,
            rmin=self._limits.low, rmax=self._limits.high,
            clip_min=self._clip.low if scaled else -largest, clip_max=self._clip.high if scaled else largest,
            scale_min=self._scale.low, scale_max=self._scale.high,
        )  # fmt: skip

    def _see_codes(self, count: int) -> None:
        """Make room for so many codes; formats whose codes are not the plan's to say show them with their grid."""
        if self._seen.size != count + 1:
            self._seen = np.zeros(count + 1, np.bool_)

    def _add_levels(self, x: Tensor, xq: Tensor, levels: LevelGrid) -> None:
        rows, columns = x.shape
        below, above = (limit.float().reshape(-1, 1) if not limit.dim() else limit.float() for limit in levels.reach)
        below, above = (limit.expand(rows, -1).contiguous() for limit in (below, above))
        size = levels.group_size or columns
        if levels.used is not None:
            self._used, self._codes = max(self._used, levels.used), levels.entries or 0
        else:
            self._see_codes(levels.levels.shape[-1])
            self._seen[_places(xq, levels, size)] = True
        if kernels is not None and x.device.type == "cpu":
            kernels.split_limits(x.numpy(), xq.numpy(), below.numpy(), above.numpy(), size, self._sums)
            return
        below, above = (limit.repeat_interleave(size, dim=1)[:, :columns] for limit in (below, above))
        finite, lost, value = torch.isfinite(x), ~torch.isfinite(xq), x.double()
        clipped = (x < below) | (x > above) | lost
        squared = (torch.where(lost, 0.0, xq).double() - value).square()
        self._sums += _sums(value[finite], squared[finite], clipped[finite])

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


def error_split(x: Tensor, xq: Tensor, qparams: Grid | None, plan: TensorPlan, out_axis: int = 0) -> ErrorSplit:
    """The split of a tensor at hand; see :class:`SplitAccumulator`."""
    split = SplitAccumulator(plan)
    split.add(x, xq, qparams, out_axis)
    return split.finish()


def off_grid_split(x: Tensor, xq: Tensor, plan: TensorPlan) -> ErrorSplit:
    """The split of what lies on no grid: the product of two matrices, or codes with something in half precision added.

    All of its error counts as rounding.
    """
    return replace(error_split(x, xq, None, FLOAT), format=plan.label)


def decibels(signal: float, noise: float) -> float | None:
    """``10 · log10(signal / noise)`` of two powers; None where either is zero."""
    return 10.0 * (math.log10(signal) - math.log10(noise)) if signal > 0 and noise > 0 else None


def _places(xq: Tensor, levels: LevelGrid, size: int) -> NDArray[np.int64]:
    """The numbers of the levels that occur."""
    found = torch.zeros(levels.levels.shape[-1], dtype=torch.bool)
    scale = levels.scale.reshape(-1, 1) if not levels.scale.dim() else levels.scale
    shared = levels.thresholds.dim() == 1 or len(levels.thresholds) == 1
    height, width = xq.shape
    for tile in tiles(height, width, size, _CHUNK):
        t = xq[tile] / spread(scale, tile, size)
        limits = levels.thresholds.reshape(-1) if shared else levels.thresholds[tile[0]].contiguous()
        places = torch.bucketize(t, limits) if shared else torch.searchsorted(limits, t.contiguous())
        found[places[~torch.isnan(t)]] = True
    return found.nonzero().view(-1).numpy()


def _in_rows(x: Tensor, xq: Tensor, qparams: Grid, axis: int) -> tuple[Tensor, Tensor]:
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
