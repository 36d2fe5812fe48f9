"""Where a method's rounding is further from the layer than rounding to nearest, nearest stays."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from qdebug.quantize import Grid, QParams, fake_quantize


def no_further_than_nearest(
    weight: Tensor, found: tuple[Tensor, Grid], grid: Grid, gram: Tensor, cross: Tensor | None = None
) -> tuple[Tensor, Grid]:
    """A method's rounding, with rounding to nearest in the rows of which that leaves the smaller error.

    A row's error is ``‖X w − X̃ q‖²``, whose part that depends on ``d = q − w`` is ``dᵀ X̃ᵀX̃ d + 2 dᵀ (X̃ᵀX̃ − X̃ᵀX) w``.

    Args:
        weight: float32 ``[R, C]``.
        found: the method's values ``[R, C]`` and the grid they lie on.
        grid: the grid of rounding to nearest; of the same shapes.
        gram: ``X̃ᵀX̃`` ``[C, C]``, of the inputs that the rounded weights get.
        cross: ``X̃ᵀX`` ``[C, C]``, with the inputs that the weight was meant for; X̃ itself by default.
    """
    values, other = found
    nearest = fake_quantize(weight, grid)
    gram = gram.float()
    off = None if cross is None else weight @ (gram - cross.float()).T

    def error(chosen: Tensor) -> Tensor:
        moved = torch.nan_to_num(chosen - weight, posinf=0.0, neginf=0.0)
        slope = moved @ gram if off is None else (moved @ gram).add_(off, alpha=2.0)
        return slope.mul_(moved).sum(1, dtype=torch.float64)

    worse = (error(values) > error(nearest)).view(-1, 1)
    if not bool(worse.any()):
        return found
    kept = torch.where(worse, nearest, values)
    if other is grid:
        return kept, grid
    scale = torch.where(worse, grid.scale, other.scale)
    if isinstance(grid, QParams) and isinstance(other, QParams):
        return kept, replace(other, scale=scale, zero_point=torch.where(worse, grid.zero_point, other.zero_point))
    return kept, replace(other, scale=scale)
