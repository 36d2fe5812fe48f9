"""The squared error of a weight in a format, without the quantized weight: for whoever looks at very many values."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.formats import Block, Float, Integer, Table, find
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import level_grid
from qdebug.quantize.qparams import SMALLEST_SCALE, reach_limit
from qdebug.recipes import TensorPlan

try:
    from qdebug.quantize import noise_kernels as kernels
    from qdebug.quantize.level_kernels import float_constants, group_absmax
except ImportError:  # numba is an accelerator, never a need
    kernels = None

Floats = NDArray[np.float32]

_SHORT = 32
"""Columns of the runs that longer ones are made of."""

_LEVELS = 16
"""Of the tables that have a loop of their own."""


class Peaks:
    """The largest finite magnitudes of runs of a matrix's rows, found once for all formats that share them.

    Args:
        values: ``[R, C]`` float32, contiguous.
    """

    def __init__(self, values: Floats) -> None:
        self._bits = values.view(np.int32)
        self._short: NDArray[np.int32] | None = None

    def of(self, size: int) -> NDArray[np.int32]:
        """The float32 bits of those of runs of ``size`` columns, ``[R, G]``."""
        columns = self._bits.shape[1]
        if size % _SHORT and not (size >= columns and columns % _SHORT == 0):
            return self._found(self._bits, size)
        if self._short is None:
            self._short = self._found(self._bits, _SHORT)
        return self._short if size == _SHORT else self._found(self._short, -(-size // _SHORT))

    def _found(self, bits: NDArray[np.int32], size: int) -> NDArray[np.int32]:
        out = np.empty((len(bits), groups(bits.shape[1], size)), np.int32)
        group_absmax(bits, size, out)
        return out


def weight_noise(x: Tensor, plan: TensorPlan, peak: float | None = None, peaks: Peaks | None = None) -> float | None:
    """The sum of ``(xq − x)²`` in float64, where ``xq`` is what :func:`qdebug.quantize.quantize_weight` gives.

    For symmetric grids with a scale per tensor, row, group or OCP block from the largest magnitude. Everything else is
    left to that function, as are values that are not finite.

    Args:
        x: ``[R, C]`` float32, contiguous, on the CPU.
        plan: how it is quantized.
        peak: the largest magnitude of the tensor, where ``x`` is some rows of it and it has one scale.
        peaks: those of ``x``, where it is asked about more than one plan.

    Returns:
        The sum; None where there is no loop for it.
    """
    form = find(plan.format)
    if kernels is None or not x.numel() or not _is_plain(plan):
        return None
    values = x.numpy()
    size = form.size if isinstance(form, Block) else plan.group_size or x.shape[1]
    if isinstance(form, Block):
        found = (peaks or Peaks(values)).of(size)
        scale = np.empty(found.shape, np.float32)
        kernels.power_scales(found, form.largest_exponent, _powers(form.unit), scale)
        noise = _rounded(values, form.element, scale, size)
    else:
        scale = _scales(values, plan, size, peak, peaks or Peaks(values))
        noise = None if scale is None else _rounded(values, form, scale, size)
    return noise if noise is not None and math.isfinite(noise) else None


def _is_plain(plan: TensorPlan) -> bool:
    """Whether scales come from the largest magnitude alone, and values go to the nearest point."""
    form = find(plan.format)
    usual = plan.rounding == "half_even" and plan.range == "minmax" and plan.clip is None and plan.block is None
    if not usual or plan.is_reduced or plan.scale_format is not None or form.is_cast:
        return False
    if isinstance(form, Block):
        return form.scale == "e8m0"
    if isinstance(form, Table):
        return form.rule == "absmax" and len(form.levels) <= _LEVELS
    return isinstance(form, Float) or (isinstance(form, Integer) and form.signed and plan.symmetric)


def _scales(values: Floats, plan: TensorPlan, size: int, peak: float | None, peaks: Peaks) -> Floats | None:
    """``[R, G]``; None where a tensor's own scale is wanted and nobody knows its peak."""
    form = find(plan.format)
    largest = float(form.codes(True)[1]) if isinstance(form, Integer) else form.largest
    reach = float(max(map(abs, form.codes(True)))) if isinstance(form, Integer) else form.largest
    least, limit = np.float32(SMALLEST_SCALE), reach_limit(reach)
    if plan.granularity == "tensor":
        if peak is None:
            return None
        found = np.full((len(values), 1), peak, np.float32).view(np.int32)
    else:
        found = peaks.of(size)
    scale = np.empty(found.shape, np.float32)
    kernels.absmax_scales(found, largest, least, limit, scale)
    return scale


def _rounded(values: Floats, form: object, scale: Floats, size: int) -> float | None:
    if isinstance(form, Integer):
        low, high = (np.float32(code) for code in form.codes(True))
        return kernels.grid_noise(values, scale, low, high, size)
    if isinstance(form, Float) and form.exponent_bits == 2 and form.encoding == "none":
        smallest, step, largest = (np.float32(one) for one in (form.smallest_normal, form.smallest, form.largest))
        return kernels.narrow_noise(values, scale, size, smallest, step, largest)
    if isinstance(form, Float):
        return kernels.float_noise(values, scale, size, *float_constants(form))
    assert isinstance(form, Table)
    return kernels.table_noise(values, scale, size, *_table(form))


@lru_cache(maxsize=32)
def _table(form: Table) -> tuple[Floats, Floats]:
    """Sixteen levels, the last repeated, and the limits between them; nothing is beyond those of what is repeated."""
    grid = level_grid(form, torch.ones(()))
    missing = _LEVELS - len(grid.levels)
    levels = np.pad(grid.levels.numpy(), (0, missing), mode="edge")
    return levels, np.pad(grid.thresholds.numpy(), (0, missing), constant_values=np.inf)


@lru_cache(maxsize=8)
def _powers(unit: float) -> Floats:
    """The powers of two from −127 to 127, times the unit, rounded as block scales are."""
    return np.ldexp(1.0, np.arange(-127, 128)).astype(np.float32) * np.float32(unit)
