"""The two levels of a grid between which a value lies."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.quantize.grids import Grid
from qdebug.quantize.levels import LevelGrid


def neighbours(matrix: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """The level at or below each value and the next one above it; the same level twice beyond the grid's ends.

    A level is what :func:`qdebug.quantize.fake_quantize` gives for values next to it, to the last bit.

    Args:
        matrix: float32 ``[R, C]``.
        grid: of the matrix.

    Returns:
        both float32 ``[R, C]``.
    """
    scale = over(grid.scale, matrix, grid.group_size)
    if isinstance(grid, LevelGrid):
        if grid.offset is None:
            return _of_table(matrix / scale, scale, grid)
        offset = over(grid.offset, matrix, grid.group_size)
        below, above = _of_table((matrix - offset) / scale, scale, grid)
        return below + offset, above + offset
    place = matrix / scale
    zero = over(grid.zero_point, matrix, grid.group_size)
    low, high = grid.qmin - zero, grid.qmax - zero
    code = place.floor()
    below, above = (torch.minimum(torch.maximum(one, low), high) * scale for one in (code, code + 1))
    return below, above


def ends(matrix: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """The lowest and the highest level that each value of a matrix ``[R, C]`` can get; both float32 ``[R, C]``."""
    if not isinstance(grid, LevelGrid):
        low, high = (over(one.float(), matrix, grid.group_size) for one in (grid.clip_min, grid.clip_max))
        return low, high
    scale = over(grid.scale, matrix, grid.group_size)
    offset = 0.0 if grid.offset is None else over(grid.offset, matrix, grid.group_size)
    low, high = (one.reshape(-1, 1) * scale + offset for one in (grid.levels.amin(-1), grid.levels.amax(-1)))
    return low, high


def _of_table(place: Tensor, scale: Tensor, grid: LevelGrid) -> tuple[Tensor, Tensor]:
    levels = grid.levels if grid.levels.dim() == 2 else grid.levels.expand(len(place), -1)
    last = levels.shape[1] - 1
    above = torch.searchsorted(levels.contiguous(), place.contiguous(), right=True)
    low, high = (levels.gather(1, one.clamp(0, last)) for one in (above - 1, above))
    # A float rounds what is beyond its largest number to that, and so does a table.
    return low * scale, high * scale


def over(part: Tensor, matrix: Tensor, size: int) -> Tensor:
    """One value per scale, spread over the matrix ``[R, C]`` whose scales they belong to."""
    if not part.dim() or part.shape[1] == 1:
        return part.expand(matrix.shape) if part.dim() else part.reshape(1, 1).expand(matrix.shape)
    return part.repeat_interleave(size, 1)[:, : matrix.shape[1]]
