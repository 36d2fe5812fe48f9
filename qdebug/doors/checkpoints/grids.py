"""From codes, scales and zero points to a plan, a grid that the engine rounds to, and codes on it."""

from __future__ import annotations

import torch
from msgspec.structs import replace
from torch import Tensor

from qdebug.doors.checkpoints.stored import spread
from qdebug.formats import Block, Float, QFormat, find
from qdebug.quantize import Grid, LevelGrid, QParams, level_grid
from qdebug.recipes import TensorPlan
from qdebug.recipes.plan import ScaleFormat

_FAR = 1 << 20
"""Beyond what any row has: a plan says no larger size, whatever a config asks for."""

Read = tuple[TensorPlan, Grid, Tensor]
"""Plan, grid and codes of a weight."""


def uniform(
    codes: Tensor, scale: Tensor, zero_point: Tensor | None, low: int, bits: int, size: int = 0, *,
    group: int = 0, block: tuple[int, int] | None = None, scales: ScaleFormat | None = None,
) -> Read:  # fmt: skip
    """A weight of integers: ``(code − zero point) · scale``.

    Unsigned codes whose zero points all lie in the middle are the signed ones of a symmetric grid, as which they come
    back: ``x = (c − 8) · s`` for four bits.

    Args:
        codes: integers ``[out, in]`` from ``low`` up.
        scale: float32 ``[]``, ``[out, 1]`` or ``[out, G]``, not negative. Where it is zero so is every value, and the
            grid's scale is 1.
        zero_point: integers of its shape; None for zeros.
        low: the smallest code.
        bits: of a code.
        size: values along a row that share a scale in ``scale``; 0 for a whole row.
        group: values that share one in the checkpoint, where that is not ``size``.
        block: rows and columns of a tile that shares a scale.
        scales: how scales are stored.
    """
    size = min(size, codes.shape[1])
    zero = torch.zeros_like(scale) if zero_point is None else zero_point.float()
    middle = 1 << (bits - 1)
    codes = codes.to(torch.int16)
    if low == 0 and bool((zero == middle).all()):
        codes, zero, low = codes - middle, zero - middle, -middle
    empty = scale == 0
    if bool(empty.any()):
        idle = spread(empty, codes.shape[1], size)
        codes = torch.where(idle, spread(zero, codes.shape[1], size).to(codes.dtype), codes)
        scale = torch.where(empty, 1.0, scale)
    codes = codes.to(torch.int8 if low < 0 else torch.uint8)
    grid = QParams(scale.contiguous(), zero.contiguous(), low, low + (1 << bits) - 1, size)
    is_symmetric = low < 0 and not bool(zero.any())
    return _plan(f"int{bits}", grid, is_symmetric, group or size, block, scales), grid, codes


def leveled(
    form: QFormat | str, codes: Tensor, scale: Tensor, size: int = 0, *,
    group: int = 0, block: tuple[int, int] | None = None, scales: ScaleFormat | None = None,
) -> Read:  # fmt: skip
    """A weight of small floats or of levels in a table: ``level · scale``.

    Args:
        form: the format; of a block format its element is what the codes are of.
        codes: uint8 ``[out, in]``: a float's bits, or the number of a level.
        scale: as in :func:`uniform`.
        size: values along a row that share a scale in ``scale``; 0 for a whole row.
        group: values that share one in the checkpoint, where that is not ``size``.
        block: rows and columns of a tile that shares a scale.
        scales: how scales are stored.
    """
    form = find(form) if isinstance(form, str) else form
    size = min(size, codes.shape[1])
    element = form.element if isinstance(form, Block) else form
    empty = scale == 0
    if bool(empty.any()):
        nothing = 0 if isinstance(element, Float) else list(element.levels).index(0.0)
        codes = torch.where(spread(empty, codes.shape[1], size), nothing, codes)
        scale = torch.where(empty, 1.0, scale)
    grid = level_grid(element, scale.contiguous(), size)
    if isinstance(form, Block):
        return TensorPlan(form.name, range="stored"), grid, codes
    return _plan(form.name, grid, True, group or size, block, scales), grid, codes


def by_column(part: Tensor, groups: Tensor) -> Tensor:
    """Scales or zero points ``[out, G]`` with one for each column, of which ``groups [in]`` tells the group."""
    return part.index_select(1, groups.int())


def by_tile(scale: Tensor, rows: int, height: int) -> Tensor:
    """Scales of tiles ``[⌈rows / height⌉, G]`` with one line for each row."""
    return scale.index_select(0, torch.arange(rows) // height)


def _plan(
    name: str, grid: QParams | LevelGrid, symmetric: bool, group: int, block: tuple[int, int] | None,
    scales: ScaleFormat | None,
) -> TensorPlan:  # fmt: skip
    plan = TensorPlan(name, symmetric=symmetric, range="stored", scale_format=scales)
    if block is not None:
        return replace(plan, granularity="block", block=(min(block[0], _FAR), min(block[1], _FAR)))
    if not grid.scale.dim():
        return replace(plan, granularity="tensor", scale_format=None if scales == "double" else scales)
    if not group:
        return replace(plan, granularity="channel")
    return replace(plan, granularity="group", group_size=min(group, _FAR))
