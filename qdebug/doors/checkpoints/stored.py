"""A linear layer as a checkpoint stores it: codes, the grid they belong to, and the plan that says so in a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from qdebug.formats import Float
from qdebug.quantize import Grid, QParams, decode
from qdebug.recipes import FLOAT, TensorPlan


@dataclass(frozen=True, eq=False)
class StoredLinear:
    """What a checkpoint says of one linear layer.

    Attributes:
        module: its path in the model, without ``.weight``.
        plan: how the weight is quantized; its range is ``stored``.
        grid: the scales that came with it; rows are output features. Where the groups of a weight do not lie side by
            side (GPTQ's ``desc_act``, NF4 blocks that run past a row's end), there is a scale for each column.
        codes: ``[out, in]``; on a :class:`QParams` the integers of its grid, of a float format the bits of each
            number, else the number of the level in the grid's table.
        activation: how the layer's input is quantized.
        activation_grid: its scale, where the checkpoint fixes one.
        unsaid: what plan and grid leave out, one sentence each.
    """

    module: str
    plan: TensorPlan
    grid: Grid
    codes: Tensor
    activation: TensorPlan = FLOAT
    activation_grid: Grid | None = None
    unsaid: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Output and input features."""
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def weight(self) -> Tensor:
        """The weight that the codes stand for, float32 ``[out, in]``.

        Products of a code and a scale of 16 bits are exact in float32. A runtime that computes in 16 bits rounds these
        same numbers once more.
        """
        return reals(self.codes, self.grid)

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether no zero point is other than zero."""
        return not isinstance(self.grid, QParams) or not bool(torch.any(self.grid.zero_point))


def reals(codes: Tensor, grid: Grid) -> Tensor:
    """The reals of codes on a grid; float32 ``[R, C]`` (see :class:`StoredLinear` for what the codes are)."""
    if isinstance(grid, QParams):
        units = codes.float()
        if bool(torch.any(grid.zero_point)):
            _each(units, grid.zero_point, grid.group_size, torch.Tensor.sub_)
    elif isinstance(grid.form, Float):
        table = decode(torch.arange(1 << int(grid.form.bits)), grid.form)
        units = table.index_select(0, codes.reshape(-1).int()).view(codes.shape)
    else:
        units = grid.levels.index_select(0, codes.reshape(-1).int()).view(codes.shape)
    return _each(units, grid.scale, grid.group_size, torch.Tensor.mul_)


def _each(units: Tensor, part: Tensor, size: int, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine each value with its scale or zero point, in place."""
    rows, columns = units.shape
    if size > 1 and part.dim() and columns == size * part.shape[1]:
        change(units.view(rows, -1, size), part.unsqueeze(-1))
    else:
        change(units, spread(part, columns, size))
    return units


def spread(part: Tensor, columns: int, size: int) -> Tensor:
    """Scales or zero points ``[]``, ``[R, 1]`` or ``[R, G]`` so that they multiply ``[R, columns]``."""
    if part.dim() == 0 or not size:
        return part
    return part.index_select(1, torch.arange(columns) // size)
