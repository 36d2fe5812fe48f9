"""Rounding a matrix column by column, where what was rounded so far says what the next column is to be.

What GPTQ and GPFQ share. They differ in what part of an error the following columns take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from qdebug.formats import Float
from qdebug.quantize import Grid, LevelGrid, QParams, fake_quantize

try:
    from qdebug.methods import feedback_kernels as kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

Regrid = Callable[[Tensor], Grid]
"""The grid, with a scale for each row, of a group's weights ``[R, group]``."""


def round_with_feedback(
    weight: Tensor, grid: Grid, factor: Tensor, *, goal: Tensor | None = None, order: Tensor | None = None,
    block: int = 128, regrid: Regrid | None = None,
) -> tuple[Tensor, Grid]:  # fmt: skip
    """Round column k to the level nearest to ``goal_k + Σ_{j before k} (w_j − q_j) · factor_jk``.

    An error that is not finite, of a weight that is not, stays with its own column. Arithmetic is float32.

    Args:
        weight: float32 ``[R, C]``.
        grid: what the values have to lie on.
        factor: float32 ``[C, C]`` in the order of rounding, used above the diagonal.
        goal: float32 ``[R, C]``; the weight by default.
        order: int64 ``[C]``, the columns in the order of rounding; as they come by default.
        block: columns whose errors reach the columns behind them in one product of matrices.
        regrid: makes the grid of each group anew when the first of its columns is reached, from what the columns of the
            group would best be if no column had to be rounded any more. Only for factors of which that can be said (see
            :func:`_best`), columns as they come, and grids with groups.

    Returns:
        The rounded weight ``[R, C]`` and the grid that it lies on.
    """
    count, columns = weight.shape
    places = torch.arange(columns) if order is None else order
    errors = weight.T[places].contiguous()
    values = errors.clone() if goal is None else goal.T[places].contiguous()
    turned = _Turned(grid, count)
    starts = {*range(0, columns, block), *(range(0, columns, grid.group_size) if regrid else ())}
    for start, stop in pairwise([*sorted(starts), columns]):
        if regrid and start % grid.group_size == 0:
            end = min(start + grid.group_size, columns)
            turned.put(start // grid.group_size, regrid(_best(errors, factor, start, end).T.contiguous()))
        values[start:stop].addmm_(factor[:start, start:stop].T, errors[:start])
        turned.round(values[start:stop], errors[start:stop], factor[start:stop, start:stop], places[start:stop])
    result = torch.empty(columns, count)
    result[places] = values
    return result.T.contiguous(), turned.grid if regrid else grid


def _best(errors: Tensor, factor: Tensor, start: int, end: int) -> Tensor:
    """What columns ``[start, end)`` would best be after those before them are rounded, ``[end − start, R]``.

    With ``H = (F + I) D (F + I)ᵀ``, F above the diagonal: the errors of all columns times ``F + I`` should vanish from
    ``start`` on, so that the columns' errors are ``−E F_before,here (F_here + I)⁻¹``.
    """
    moved = factor[:start, start:end].T @ errors[:start]
    lower = factor[start:end, start:end].T
    return errors[start:end] + torch.linalg.solve_triangular(lower, moved, upper=False, unitriangular=True)


class _Turned:
    """A grid with a row for each group, ``[G, R]``, so that a column's scales are neighbours."""

    def __init__(self, grid: Grid, count: int) -> None:
        self._grid = grid
        self._shared = not grid.scale.dim() or grid.scale.shape[1] == 1
        self._scale = self._turned(grid.scale, count)
        self._zero = self._turned(grid.zero_point, count) if isinstance(grid, QParams) else None
        moved = grid.offset if isinstance(grid, LevelGrid) else None  # real zero points, as HQQ leaves them
        self._offset = None if moved is None else self._turned(moved, count)

    @staticmethod
    def _turned(part: Tensor, count: int) -> Tensor:
        return (part if part.dim() else part.expand(count, 1)).float().T.clone(memory_format=torch.contiguous_format)

    @property
    def grid(self) -> Grid:
        """The grid as rows have it."""
        scale = self._scale.T.contiguous()
        if self._zero is None:
            return replace(self._grid, scale=scale)
        return replace(self._grid, scale=scale, zero_point=self._zero.T.contiguous())

    def put(self, place: int, part: Grid) -> None:
        """Put a grid with one scale for each row in the place of a group's."""
        self._scale[place] = part.scale[:, 0]
        if self._zero is not None and isinstance(part, QParams):
            self._zero[place] = part.zero_point[:, 0]

    def round(self, values: Tensor, errors: Tensor, factor: Tensor, columns: Tensor) -> None:
        """Round columns ``[B, R]`` in place; ``errors`` holds the weight and then what rounding took from it."""
        grid, size = self._grid, self._grid.group_size
        places = torch.zeros_like(columns) if self._shared or not size else columns // size
        is_own = isinstance(grid, LevelGrid) and (self._offset is not None or grid.levels.dim() > 1)
        if kernels is None or is_own:
            self._plainly(values, errors, factor, places)
            return
        arrays = values.numpy(), errors.numpy(), factor.contiguous().numpy(), self._scale.numpy()
        if isinstance(grid, LevelGrid) and isinstance(grid.form, Float):
            kernels.round_small_floats(*arrays, places.numpy(), *kernels.float_constants(grid.form))
        elif isinstance(grid, LevelGrid):
            levels, thresholds = (part.view(1, -1).numpy() for part in (grid.levels, grid.thresholds))
            kernels.round_levels(*arrays, places.numpy(), levels, thresholds)
        else:
            assert self._zero is not None
            low, high = (limit - self._zero for limit in (grid.qmin, grid.qmax))
            kernels.round_uniform(*arrays, low.numpy(), high.numpy(), places.numpy())

    def _plainly(self, values: Tensor, errors: Tensor, factor: Tensor, places: Tensor) -> None:
        for k, place in enumerate(places.tolist()):
            scale = self._scale[place].view(-1, 1)
            if self._zero is None:
                offset = None if self._offset is None else self._offset[place].view(-1, 1)
                one = replace(self._grid, scale=scale, offset=offset, group_size=0)
            else:
                one = replace(self._grid, scale=scale, zero_point=self._zero[place].view(-1, 1), group_size=0)
            values[k] = fake_quantize(values[k].view(-1, 1), one)[:, 0]
            error = errors[k] - values[k]
            errors[k] = torch.where(torch.isfinite(error), error, 0.0)
            values[k + 1 :] += factor[k, k + 1 :, None] * errors[k]
