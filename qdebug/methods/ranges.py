"""Ranges of a weight's scales, and by how much a layer's output changes with them: what searches for ranges need."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from qdebug.formats import Block, find
from qdebug.graph import Layer
from qdebug.methods.bench import Bench, Problem, refusal
from qdebug.methods.inputs import design_of
from qdebug.quantize import Grid, QParams, fake_quantize
from qdebug.quantize.layout import groups
from qdebug.quantize.levels import LevelGrid
from qdebug.quantize.ranges.groups import minmax
from qdebug.recipes import TensorPlan

_COLUMNS = 384
"""Of an upper triangle that are multiplied at once: with fewer, products are slower; with more, there are more."""


def without_ranges(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's ranges cannot be chosen by what its inputs say; None where they can."""
    if design_of(bench.engine, layer) is None:
        return "what its weight multiplies is not known here (a transposed convolution, or one over one or three axes)"
    plan = bench.quants[layer.step].plan.weight
    if isinstance(find(plan.format), Block):
        return f"{plan.format} says itself how a block's scale follows from its largest value"
    return refusal(plan) or ("a scale serves a tile of several rows" if plan.granularity == "block" else None)


def limits(weight: Tensor, plan: TensorPlan) -> tuple[Tensor, Tensor, int]:
    """The smallest and the largest value of each scale of ``weight [R, C]``, and how many values a group has.

    Returns:
        float64, ``[]``, ``[R, 1]`` or ``[R, G]`` as the plan's scales; they hold zero. The size is 0 without groups.
    """
    if plan.granularity == "tensor":
        low, high = minmax(weight.reshape(1, -1))
        return low.view(()), high.view(()), 0
    size = plan.group_size if plan.granularity == "group" else 0
    return *minmax(weight, size), size


def parts(matrix: Tensor, size: int) -> Tensor:
    """A matrix ``[R, C]`` as ``[R, G, S]``, the last group filled up with zeros."""
    size = size or matrix.shape[1]
    count = groups(matrix.shape[1], size)
    return pad(matrix, (0, count * size - matrix.shape[1])).view(len(matrix), count, size)


def blocks(hessian: Tensor, size: int) -> Tensor:
    """The blocks of Hessians ``[B, C, C]`` on their diagonals, ``[B, G, S, S]``, one for each group of columns."""
    size = size or hessian.shape[-1]
    count = groups(hessian.shape[-1], size)
    missing = count * size - hessian.shape[-1]
    whole = pad(hessian, (0, missing, 0, missing)).view(len(hessian), count, size, count, size)
    return whole.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).contiguous()


def changes(off: Tensor, diagonal: Tensor) -> Tensor:
    """The mean squared change of the output by each group's errors alone: Δ H Δᵀ.

    Args:
        off: float64 ``[R, G, S]``, the errors of the weights; rows of a group of a convolution lie together.
        diagonal: float64 ``[B, G, S, S]``, see :func:`blocks`.

    Returns:
        float64 ``[R, G]``.
    """
    rows, count, size = off.shape
    shared = off.view(len(diagonal), -1, count, size).transpose(1, 2)
    return ((shared @ diagonal) * shared).sum(-1).transpose(1, 2).reshape(rows, count)


def row_changes(off: Tensor, hessian: Tensor) -> Tensor:
    """The mean squared change of each row's output ``[R]`` by errors ``[R, C]``, all groups together.

    Of a Hessian one triangle says all: what lies above the blocks on the diagonal counts twice, which is half of the
    products, and nothing as large as the errors or as the Hessian is made.
    """
    shared = off.double().view(len(hessian), -1, off.shape[1])
    found = torch.zeros(shared.shape[:2], dtype=torch.float64, device=off.device)
    for start in range(0, off.shape[1], _COLUMNS):
        block = slice(start, start + _COLUMNS)
        here = shared[..., block]
        moved = here @ hessian[:, block, block]
        if start:
            moved.baddbmm_(shared[..., :start], hessian[:, :start, block], alpha=2)
        found += moved.mul_(here).sum(-1)
    return found.view(-1)


def guarded(problem: Problem, hessian: Tensor, grid: Grid) -> Grid:
    """A grid like another of the plan's, but with the problem's own scales in the rows that those serve better.

    Groups are searched one by one, and the errors of two may meet in a row's output; no row ends above what it would
    have had on the problem's own grid.
    """
    found, own = (
        row_changes(fake_quantize(problem.weight, one) - problem.weight, hessian) for one in (grid, problem.grid)
    )
    if not grid.scale.dim():
        return grid if bool(found.sum() <= own.sum()) else problem.grid
    better = (found <= own).view(-1, 1)
    scale = torch.where(better, grid.scale, problem.grid.scale)
    if isinstance(grid, QParams) and isinstance(problem.grid, QParams):
        return replace(grid, scale=scale, zero_point=torch.where(better, grid.zero_point, problem.grid.zero_point))
    assert isinstance(grid, LevelGrid)
    return replace(grid, scale=scale)
