"""Weights: one scale per tensor, output channel, group or tile, or whatever the format's own blocks ask for."""

from __future__ import annotations

import math

import torch
from msgspec.structs import replace
from torch import Tensor

from qdebug.errors import NumericError
from qdebug.formats import Block, Codebook, Float, Gguf, Integer, Table, find
from qdebug.quantize.blocks import block_grid
from qdebug.quantize.codebooks import scalar_codebook, vector_codebook
from qdebug.quantize.floats import cast
from qdebug.quantize.ggml.rows import quantize_rows
from qdebug.quantize.grids import Grid, choose_grid
from qdebug.quantize.layout import from_rows, groups, rows
from qdebug.quantize.modes import cast_by
from qdebug.quantize.ranges import groups as ranges
from qdebug.quantize.reduction import pruned, thin_factors
from qdebug.quantize.rounding import fake_quantize
from qdebug.quantize.ternary import ternarize
from qdebug.recipes import TensorPlan
from qdebug.recipes.sparsity import is_thin

_CHUNK = 1 << 16


def weight_grid(w: Tensor, plan: TensorPlan, out_axis: int = 0, *, layer: str | None = None) -> Grid | None:
    """The grid of a weight in its canonical form ``[out, in]`` (see :func:`qdebug.quantize.rows`).

    Ranges are exact on the data and come from finite values only. A moving average is a min-max here: there is one
    batch. A hand-set clip range replaces the range of a tensor with one scale, and cuts each range of one with several.

    Returns:
        Scales of shape ``[]``, ``[out, 1]`` or ``[out, groups]``; None for a float format that needs no scale, and for
        a weight that is stored as two factors.

    Raises:
        NumericError: no value is finite.
    """
    form = find(plan.format)
    if form.is_cast or _is_thin(w, plan, out_axis):
        return None
    if plan.sparsity is not None:
        w = pruned(w, plan.sparsity, out_axis)
    _some_finite(w, layer)
    if isinstance(form, Block):
        return block_grid(rows(w, out_axis), form)
    if _by_its_own_rule(plan):
        return _own_rule(rows(w, out_axis), plan)[1]
    return _ranged(w, plan, out_axis, layer)


def quantize_weight(
    w: Tensor, plan: TensorPlan, out_axis: int = 0, *, layer: str | None = None, grid: Grid | None = None
) -> tuple[Tensor, Grid | None]:
    """The weight as the plan would store it, in the shape and strides of ``w``, and its grid.

    A pruned weight is pruned first; of one that is stored as two factors, each is quantized, and there is no grid.
    ``grid`` is that of a plan whose range is ``stored``, and not looked at for others.

    Raises:
        NumericError: see :func:`weight_grid`.
    """
    form = find(plan.format)
    if _is_thin(w, plan, out_axis):
        return _factorized(w, plan, out_axis, layer), None
    if plan.sparsity is not None:
        w = pruned(w, plan.sparsity, out_axis)
    if isinstance(form, Float) and form.is_cast:
        return (cast(w, form) if plan.rounding == "half_even" else cast_by(w, form, plan.rounding, plan.seed)), None
    if _by_its_own_rule(plan):
        _some_finite(w, layer)
        values, grid = _own_rule(rows(w, out_axis), plan)
        return from_rows(values.to(w.dtype), w, out_axis), grid
    grid = grid if plan.range == "stored" and grid else weight_grid(w, plan, out_axis, layer=layer)
    assert grid is not None
    how = {"rounding": plan.rounding, "seed": plan.seed}
    if grid.scale.dim() == 0 or (out_axis in (0, -w.dim()) and w.is_contiguous()):
        return fake_quantize(w, grid, **how), grid
    return from_rows(fake_quantize(rows(w, out_axis), grid, **how), w, out_axis), grid


def _is_thin(w: Tensor, plan: TensorPlan, out_axis: int) -> bool:
    """Whether the weight is stored as two factors."""
    outputs = w.shape[out_axis] if w.dim() else 1
    return is_thin(outputs, w.numel() // max(outputs, 1), plan.rank)


def _factorized(w: Tensor, plan: TensorPlan, out_axis: int, layer: str | None) -> Tensor:
    one = replace(plan, rank=0)
    _some_finite(w, layer)
    left, right = (quantize_weight(part, one, layer=layer)[0] for part in thin_factors(rows(w, out_axis), plan.rank))
    return from_rows((left.double() @ right.double()).to(w.dtype), w, out_axis)


def _some_finite(w: Tensor, layer: str | None) -> None:
    if not w.numel() or math.isfinite(w[(0,) * w.dim()].item()):  # nearly always the first value settles it
        return
    if not any(bool(torch.isfinite(part).any()) for part in w.reshape(-1).split(_CHUNK)):
        raise NumericError("No value of the weight is finite", do="Mend the model's weights.", layer=layer)


def _by_its_own_rule(plan: TensorPlan) -> bool:
    """Whether codes are found otherwise than as the nearest point of a grid."""
    form = find(plan.format)
    return isinstance(form, (Gguf, Codebook)) or (isinstance(form, Table) and form.rule != "absmax")


def _own_rule(matrix: Tensor, plan: TensorPlan) -> tuple[Tensor, Grid | None]:
    """The quantized matrix ``[R, C]`` and its grid."""
    form = find(plan.format)
    whole = matrix.reshape(1, -1) if plan.granularity == "tensor" else matrix
    if isinstance(form, Gguf):
        return quantize_rows(matrix, form)
    if isinstance(form, Codebook) and form.dimension > 1:
        return vector_codebook(matrix, form, plan.seed)
    if isinstance(form, Codebook):
        values, grid = scalar_codebook(whole, form)
    else:
        assert isinstance(form, Table)
        size = plan.group_size or max(whole.shape[1], 1)
        values, grid = ternarize(whole, form, size, 0 if plan.group_size else matrix.shape[1])
    return values.view(matrix.shape), grid


def _ranged(w: Tensor, plan: TensorPlan, out_axis: int, layer: str | None) -> Grid:
    """The grid from a range for each scale."""
    if plan.granularity == "tensor" and plan.clip is not None:
        return choose_grid(*plan.clip, plan, layer=layer)
    matrix = w.reshape(1, -1) if plan.granularity == "tensor" else rows(w, out_axis)
    size = plan.block[1] if plan.block else plan.group_size if plan.granularity == "group" else 0
    low, high = _range(matrix, plan, size)
    if plan.block:
        low, high = _tiled(low, plan.block[0], "amin"), _tiled(high, plan.block[0], "amax")
    if plan.clip is not None:
        low, high = low.clamp(min=plan.clip[0]), high.clamp(max=plan.clip[1])
    if plan.granularity == "tensor":
        low, high = low.view(()), high.view(())
    return choose_grid(low, high, plan, group_size=size, layer=layer)


def _tiled(limits: Tensor, height: int, reduce: str) -> Tensor:
    """One limit for each ``height`` rows of ``[R, G]``, repeated for every row."""
    rows, columns = limits.shape
    tile = torch.arange(rows) // height
    start = limits.new_zeros(-(-rows // height), columns)  # ranges hold zero
    return start.scatter_reduce(0, tile.view(-1, 1).expand(rows, columns), limits, reduce)[tile]


def _range(matrix: Tensor, plan: TensorPlan, size: int) -> ranges.Range:
    if not matrix.numel():
        count = groups(matrix.shape[1], size) if size else 1
        nothing = torch.zeros(len(matrix), count, dtype=torch.float64)
        return nothing, nothing
    form = find(plan.format)
    if plan.range == "percentile":
        return ranges.percentile(matrix, plan.percentile, size)
    if not isinstance(form, Integer):
        return ranges.minmax(matrix, size)
    match plan.range:
        case "mse":
            return ranges.mse(matrix, form, plan.symmetric, size)
        case "entropy":
            if size:
                raise ValueError("a group has too few values for the entropy method")
            return ranges.entropy(matrix, form, plan.symmetric)
        case "aciq_laplace" | "aciq_gauss":
            density = "laplace" if plan.range == "aciq_laplace" else "gauss"
            return ranges.aciq(matrix, density, form, plan.symmetric, size)
        case "octav":
            return ranges.octav(matrix, form, plan.symmetric, size)
    return ranges.minmax(matrix, size)
