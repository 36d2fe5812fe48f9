"""The grid of a part of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.quantize.grids import Grid
from qdebug.quantize.levels import LevelGrid


def row_grid(grid: Grid, rows: slice) -> Grid:
    """The grid of some rows of the matrix that a grid belongs to."""
    shared = not grid.scale.dim()
    if isinstance(grid, LevelGrid):
        levels = grid.levels if grid.levels.dim() == 1 else grid.levels[rows]
        offset = grid.offset if grid.offset is None or shared else grid.offset[rows]
        return replace(grid, levels=levels, scale=grid.scale if shared else grid.scale[rows], offset=offset)
    if shared:
        return grid
    return replace(grid, scale=grid.scale[rows], zero_point=grid.zero_point[rows])


def joined(grid: Grid, parts: Sequence[Grid]) -> Grid:
    """A grid whose scales and zero points are those of its rows' (see :func:`row_grid`), one part after the other."""
    if not grid.scale.dim():
        return grid

    def all_of(of: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(of))

    if isinstance(grid, LevelGrid):
        return replace(grid, scale=all_of([part.scale for part in parts]))
    zeros = [part.zero_point for part in parts if not isinstance(part, LevelGrid)]
    return replace(grid, scale=all_of([part.scale for part in parts]), zero_point=all_of(zeros))
