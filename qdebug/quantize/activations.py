"""Activations: static ranges from calibration, or dynamic ones from the values at hand."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from qdebug.formats import Block, Float, find
from qdebug.quantize.blocks import block_grid
from qdebug.quantize.floats import cast
from qdebug.quantize.grids import Grid, choose_grid
from qdebug.quantize.layout import flat
from qdebug.quantize.modes import cast_by
from qdebug.quantize.ranges import minmax
from qdebug.quantize.rounding import fake_quantize
from qdebug.recipes import TensorPlan


def is_dynamic(plan: TensorPlan) -> bool:
    """Whether the plan takes ranges from the values at hand: it needs no calibration."""
    form = find(plan.format)
    return form.own_blocks or (form.needs_scale and (plan.dynamic or plan.granularity == "token"))


def is_static(plan: TensorPlan) -> bool:
    """Whether the plan needs a calibrated range."""
    return find(plan.format).needs_scale and not is_dynamic(plan)


def dynamic_grid(x: Tensor, plan: TensorPlan, axis: int = -1) -> Grid:
    """The grid that a runtime would choose for these values: min-max, whatever range method the plan names.

    Per tensor it is one range per *sample* (axis 0), which is what a runtime does at batch size 1: results must not
    depend on how samples are put into batches. Per token it is one range per vector along the last axis; formats with
    blocks of their own have them along ``axis``. NaN and ±Inf set no range.

    Args:
        x: a batch ``[N, …]``.
        plan: a plan that :func:`is_dynamic`.
        axis: the axis that the layer sums over.

    Returns:
        Scales of shape ``[N, 1]``, ``[tokens, 1]`` or ``[vectors, blocks]``, in row-major order of ``x`` (with ``axis``
        moved to the end for blocks).
    """
    form = find(plan.format)
    if isinstance(form, Block):
        moved = x.movedim(axis, -1)
        return block_grid(moved.reshape(-1, moved.shape[-1]).float(), form, len(x))
    if plan.granularity == "token":
        matrix = x.reshape(-1, x.shape[-1])
    else:
        dense = flat(x) if x.stride(0) * x.shape[0] == x.numel() else None  # one sample after another in memory
        matrix = (x if dense is None else dense).reshape(x.shape[0], -1)
    return choose_grid(*minmax(matrix), plan)


class Activate(Protocol):
    """Quantizes batches of one activation."""

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """The batch ``[N, …]`` as the plan lets it through, written to ``out`` where one is given (may be ``x``)."""
        ...


def activation_quantizer(plan: TensorPlan, grid: Grid | None = None, axis: int = -1) -> Activate:
    """What a plan does to an activation, decided once for all batches.

    Args:
        plan: the activation's plan.
        grid: the calibrated grid of a static plan; ignored by others.
        axis: the axis that the layer sums over, along which blocks lie.
    """
    form = find(plan.format)
    if isinstance(form, Float) and form.is_cast:
        if plan.rounding == "half_even":
            return lambda x, out=None: cast(x, form, out)
        return lambda x, out=None: _cast_by(x, form, plan, out)
    dynamic = is_dynamic(plan)
    if not dynamic and grid is None:
        raise ValueError("a static activation needs a grid from calibration")

    def activate(x: Tensor, out: Tensor | None = None) -> Tensor:
        if not x.numel():
            return x if out is None else out
        chosen = dynamic_grid(x, plan, axis) if dynamic else grid
        assert chosen is not None
        if form.own_blocks and axis % x.dim() != x.dim() - 1:
            moved = x.movedim(axis, -1)
            rounded = fake_quantize(moved.contiguous(), chosen, rounding=plan.rounding, seed=plan.seed, samples=len(x))
            return (torch.empty_like(x) if out is None else out).copy_(rounded.movedim(-1, axis))
        return fake_quantize(x, chosen, out, rounding=plan.rounding, seed=plan.seed, samples=len(x))

    return activate


def fake_quantize_activation(x: Tensor, plan: TensorPlan, grid: Grid | None = None, axis: int = -1) -> Tensor:
    """An activation as the plan lets it through.

    Args:
        x: a batch ``[N, …]``.
        plan: the activation's plan.
        grid: the calibrated grid of a static plan; ignored by others.
        axis: the axis that the layer sums over.

    Returns:
        The shape, dtype and (where dense) strides of ``x``; ``x`` itself for fp32.
    """
    return activation_quantizer(plan, grid, axis)(x)


def _cast_by(x: Tensor, form: Float, plan: TensorPlan, out: Tensor | None) -> Tensor:
    values = cast_by(x, form, plan.rounding, plan.seed, max(len(x), 1))
    return values if out is None else out.copy_(values)
