"""How weights and activations are rounded while a network is trained: with learned steps, or straight through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from qdebug.engine import LayerQuant
from qdebug.formats import Table, find
from qdebug.graph import Layer
from qdebug.methods.training.steps import first_step, gain_of, round_with_step, straight_through
from qdebug.quantize import SMALLEST_SCALE, Grid, QParams, fake_quantize, from_rows, quantize_weight, rows
from qdebug.quantize.tiles import spread
from qdebug.recipes import TensorPlan

Round = Callable[[Tensor], Tensor]
_NEVER_CLIP = ("minmax", "moving_average")


class Step:
    """A step that is learned, as a multiple of a unit.

    The paper's optimizer is plain gradient descent, and its factor g makes the step and the weights change about
    alike, each in relation to its size. Adam takes the size out of a gradient, and g with it; there the unit does it:
    with ``s = u · unit`` and u as large as an average weight, a change of u is to the step what one of a weight is to
    that.

    Args:
        grid: where the step begins, and the codes.
        count: values that share one, for the factor g.
        size: the root of the mean square of a weight, where u begins; None for the step itself (``unit`` 1).
    """

    def __init__(self, grid: QParams, count: int, size: float | None) -> None:
        self.grid, self._count = grid, count
        scale = grid.scale.detach().clone()
        self._unit = scale / size if size else torch.ones_like(scale)
        self.value = (torch.full_like(scale, size) if size else scale).requires_grad_()
        self._low, self._high = (end - grid.zero_point for end in (grid.qmin, grid.qmax))
        self._gain = gain_of(count, float(self._high.max()))

    def now(self) -> QParams:
        """The grid with the step as it is."""
        return replace(self.grid, scale=(self.value.detach() * self._unit).clamp_min(SMALLEST_SCALE))

    def round(self, v: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Values rounded with the step; ``shape`` is what steps are viewed in, where there are several."""
        parts = (self.value * self._unit, self._low, self._high)
        step, low, high = (part.view(shape) if shape and part.dim() else part for part in parts)
        return round_with_step(v, step, low, high, self._gain)

    def keep_positive(self) -> None:
        """Called after each change: a step has no sign."""
        with torch.no_grad():
            self.value.clamp_(min=SMALLEST_SCALE / self._unit)


def learns(plan: TensorPlan, grid: Grid | None) -> bool:
    """Whether a step can be learned: of a uniform grid, for the whole tensor or a channel, that nothing else sets."""
    return (
        isinstance(grid, QParams) and grid.group_size == 0 and not plan.block and plan.clip is None
        and plan.range != "stored" and plan.rounding == "half_even" and plan.scale_format is None
    )  # fmt: skip


class WeightRounder:
    """Rounds a layer's weight, anew at each step of the training.

    Args:
        layer: the layer.
        plan: how.
        weight: where it begins.
        learn: whether its steps are learned, where they can be.
        relative: whether they are learned in relation to the size of weights.
        start: where they begin; see :class:`qdebug.recipes.Qat`.
    """

    def __init__(
        self, layer: Layer, plan: TensorPlan, weight: Tensor, *, learn: bool, relative: bool, start: str
    ) -> None:  # fmt: skip
        self._layer, self._plan = layer, plan
        _, grid = quantize_weight(weight, plan, layer.out_axis, layer=layer.name)
        self.grid = grid
        """What the weight was last rounded on; None where its format has no grid."""
        self.step: Step | None = None
        if learn and learns(plan, grid):
            assert isinstance(grid, QParams)
            if start == "paper":
                grid = _as_in_the_paper(rows(weight, layer.out_axis), grid)
            size = float(weight.square().mean().sqrt()) if relative else None
            self.step = Step(grid, weight.numel() // max(grid.scale.numel(), 1), size)

    def __call__(self, weight: Tensor) -> Tensor:
        """The weight as the layer multiplies with it, with a gradient to itself."""
        if self.step is not None:
            self.grid = self.step.now()
            shape = [1] * weight.dim()
            shape[self._layer.out_axis] = -1
            return self.step.round(weight, tuple(shape))
        given = weight.detach()
        rounded, self.grid = quantize_weight(given, self._plan, self._layer.out_axis, layer=self._layer.name)
        return straight_through(weight, rounded, self._inside(given, self.grid))

    def rounded(self, weight: Tensor) -> tuple[Tensor, QParams] | None:
        """The weight on the grid of learned steps; None where the plan alone says how it is rounded."""
        if self.step is None:
            return None
        grid, axis = self.step.now(), self._layer.out_axis
        return from_rows(fake_quantize(rows(weight, axis).contiguous(), grid), weight, axis), grid

    def _inside(self, weight: Tensor, grid: Grid | None) -> Tensor | None:
        """Where the weight is not clipped; None for everywhere: ranges that hold all weights, formats with a rule."""
        plan, form = self._plan, find(self._plan.format)
        if grid is None or (plan.range in _NEVER_CLIP and plan.clip is None):
            return None
        if form.own_blocks or (isinstance(form, Table) and form.rule != "absmax"):
            return None
        matrix = rows(weight, self._layer.out_axis)
        size = grid.group_size or matrix.shape[1]
        whole = (slice(0, len(matrix)), slice(0, matrix.shape[1]))
        low, high = (spread(end.to(matrix.dtype), whole, size) for end in reach(grid))
        return from_rows((matrix >= low) & (matrix <= high), weight, self._layer.out_axis)


class InputRounder:
    """Rounds an activation.

    Args:
        quant: how.
        size: of an average weight that reads it; None for a step that is learned as it is. Not looked at where
            ``learn`` is false.
        shape: of the activation, samples first.
        learn: whether its step is learned, where it can be.
    """

    def __init__(self, quant: LayerQuant, size: float | None, shape: tuple[int, ...], *, learn: bool) -> None:
        self._quant = quant
        grid, plan = quant.activation, quant.plan.activation
        self._limits: tuple[float, float] | None = None
        self.step: Step | None = None
        if learn and learns(plan, grid):
            assert isinstance(grid, QParams)
            self.step = Step(grid, prod(shape[1:]), size)
        elif grid is not None:
            low, high = (float(end) for end in reach(grid))
            self._limits = low, high

    def __call__(self, x: Tensor) -> Tensor:
        """The activation as layers read it, with a gradient to itself."""
        if self.step is not None:
            return self.step.round(x)
        given = x.detach()
        inside = None if self._limits is None else (given >= self._limits[0]) & (given <= self._limits[1])
        return straight_through(x, self._quant.activate(given), inside)


def reach(grid: Grid) -> tuple[Tensor, Tensor]:
    """The reals beyond which a value is clipped: half a step, or half the outermost gap, past the limits."""
    if isinstance(grid, QParams):
        half = grid.scale.double() / 2
        return grid.clip_min - half, grid.clip_max + half
    return grid.reach


def _as_in_the_paper(matrix: Tensor, grid: QParams) -> QParams:
    if not grid.scale.dim():
        matrix = matrix.reshape(-1)
    step = first_step(matrix.float(), grid.qmax - grid.zero_point)
    return replace(grid, scale=torch.where(step > 0, step, grid.scale).clamp_min(SMALLEST_SCALE))
