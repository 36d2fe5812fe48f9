"""AdaQuant.

Hubara, Nahshan, Hanani, Banner, Soudry: *Improving Post Training Neural Quantization: Layer-wise Calibration and
Integer Programming* (arXiv:2006.10518, 2020), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.engine import Overlay
from qdebug.engine.threads import one_thread
from qdebug.methods.adam import Adam
from qdebug.methods.adaround import Watch, over_nearest, watched
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.followers import bias_of
from qdebug.methods.input_steps import learned_inputs
from qdebug.methods.inputs import Design, in_waves
from qdebug.methods.objectives import Quadratic, quadratics
from qdebug.quantize import Grid, QParams, fake_quantize
from qdebug.quantize.neighbours import ends, over
from qdebug.recipes.fixes import AdaQuant


def round_by_adaquant(bench: Bench, fix: AdaQuant) -> Bench:
    """Fit weights, scales, biases and the inputs' steps of every layer of the bench in the order of the graph.

    The paper's equation 2 is over all of these at once. Here the step of an input is learned first, beside its weights,
    on rows of the calibration data; then it stays, and weights, scales and biases are learned on all rows, of which the
    error is a quadratic form. Where layers end with a larger error than rounding to nearest with the calibrated step
    has, that step stays.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Returns:
        The bench with rounded weights, new biases and, where asked for, other steps of the layers' inputs.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    waves = in_waves(bench.engine, bench.layers)
    total, done = fix.iterations * sum(map(len, waves)), 0
    with one_thread():
        for wave in waves:
            bench = _wave(bench, wave, fix, done, total)
            done += fix.iterations * len(wave)
    return bench


def _wave(bench: Bench, wave: Sequence[Design], fix: AdaQuant, done: int, total: int) -> Bench:
    """The bench with layers that read one value fitted, and the step of that value where it is learned."""
    problems = [bench.problem(design.layer) for design in wave]
    before = quadratics(bench, wave, problems, sequential=fix.sequential, centred=fix.bias)
    quants = learned_inputs(bench, wave, problems, fix, lambda problem: _Learned.of(problem, fix))
    if quants:
        other = replace(bench, quants={**bench.quants, **quants})
        aims = quadratics(other, wave, problems, sequential=fix.sequential, centred=fix.bias)
        found = _fitted(other, problems, aims, fix, done, total)
        nearest = [aim.errors(fake_quantize(one.weight, one.grid)) for one, aim in zip(problems, before, strict=True)]
        ended = [aim.errors(values) for (values, _), aim in zip(found, aims, strict=True)]
        if sum(float(one.sum()) for one in ended) <= sum(float(one.sum()) for one in nearest):
            return _answered(other, problems, aims, found, fix)
    return _answered(bench, problems, before, _fitted(bench, problems, before, fix, done, total), fix)


def _fitted(
    bench: Bench, problems: Sequence[Problem], aims: Sequence[Quadratic], fix: AdaQuant, done: int, total: int
) -> list[tuple[Tensor, Grid]]:
    found = []
    for place, (problem, aim) in enumerate(zip(problems, aims, strict=True)):
        watch = watched(bench, problem, "AdaQuant", done + place * fix.iterations, total)
        found.append(adaquant(problem.weight, problem.grid, aim, fix, watch, learns_scale=_scale_moves(problem, fix)))
    return found


def _answered(
    bench: Bench, problems: Sequence[Problem], aims: Sequence[Quadratic], found: Sequence[tuple[Tensor, Grid]],
    fix: AdaQuant,
) -> Bench:  # fmt: skip
    rounded = {}
    for problem, aim, (values, grid) in zip(problems, aims, found, strict=True):
        overlay = _shifted(bench, problem, aim.shift(values)) if fix.bias else bench.overlay
        rounded[problem.layer.step] = problem.rounded(values, grid)
        bench = replace(bench, overlay=overlay)
    return bench.with_rounded(rounded)


def _scale_moves(problem: Problem, fix: AdaQuant) -> bool:
    return problem.plan.scale_format is None and fix.scale_rate > 0


def adaquant(
    weight: Tensor, grid: Grid, aim: Quadratic, fix: AdaQuant, watch: Watch | None = None, *, learns_scale: bool = True
) -> tuple[Tensor, Grid]:  # fmt: skip
    """Move weights, and the scales of a uniform grid, down the objective of the rounded weights (equation 2).

    The gradient passes rounding as if it were not there (straight through), and stops where a value is clipped. What
    is learned is the change V in units of the scale it begins with, and the logarithm of the scale. Both step sizes
    fall to zero along a cosine. Of everything that is met each row keeps the best; rows that share one scale keep the
    best for all of them while that is learned, in the first half of the iterations.

    Args:
        weight: float32 ``[R, C]``.
        grid: what rounding to nearest would use.
        aim: the objective.
        fix: the parameters.
        watch: called at each iteration.
        learns_scale: whether a uniform grid's scales may change.

    Returns:
        float32 ``[R, C]`` and the grid that they are on. The objective is not above that of rounding to nearest.
    """
    state = _Learned(weight, grid, fix, learns_scale=learns_scale and isinstance(grid, QParams))
    nearest = fake_quantize(weight, grid)
    first = aim.errors(nearest)
    for turn in range(fix.iterations):
        if state.shares and turn == fix.iterations // 2:
            state.settle()
        values = state.values()
        slope, errors = aim.both(values)
        state.keep(values, errors)
        if watch is not None:
            watch(turn, over_nearest(state.least, first))
        state.step(slope, values, 0.5 + 0.5 * math.cos(math.pi * turn / fix.iterations))
    if not fix.iterations:
        return nearest, grid
    found = aim.errors(state.best)
    better = (found.sum() <= first.sum()).expand(len(weight)) if state.shared else found <= first
    return torch.where(better[:, None], state.best, nearest), _taken(state.kept, grid, better)


class _Learned:
    """What is learned of a layer, and the best so far."""

    def __init__(self, weight: Tensor, grid: Grid, fix: AdaQuant, *, learns_scale: bool) -> None:
        self._weight, self._grid, self._now, self.kept = weight, grid, grid, grid
        self._unit = over(grid.scale, weight, grid.group_size)
        self._moved, self._stretch = torch.zeros_like(weight), torch.zeros_like(grid.scale)
        self._adam, self._scaler = Adam(self._moved, fix.learning_rate), Adam(self._stretch, fix.scale_rate)
        self._learns, self._rates = learns_scale, (fix.learning_rate, fix.scale_rate)
        self._ends = ends(weight, grid)
        self.shared = self.shares = learns_scale and not grid.scale.dim()
        self.best, self.least = weight, torch.full((len(weight),), torch.inf)

    @staticmethod
    def of(problem: Problem, fix: AdaQuant) -> _Learned:
        """Where a layer's weight begins."""
        learns = _scale_moves(problem, fix) and isinstance(problem.grid, QParams)
        return _Learned(problem.weight, problem.grid, fix, learns_scale=learns)

    def values(self) -> Tensor:
        """The weights now, rounded."""
        if self._learns:
            self._now = replace(self._grid, scale=self._grid.scale * self._stretch.exp())
            self._ends = ends(self._weight, self._now)
        self._wanted = torch.addcmul(self._weight, self._moved, self._unit)
        return fake_quantize(self._wanted, self._now)

    def keep(self, values: Tensor, errors: Tensor) -> None:
        """Note values whose errors ``[R]`` are less than those before."""
        better = (errors.sum() < self.least.sum()).expand(len(values)) if self.shares else errors < self.least
        self.best = torch.where(better[:, None], values, self.best)
        self.least = torch.where(better, errors, self.least)
        self.kept = _taken(self._now, self.kept, better)

    def settle(self) -> None:
        """Leave a shared scale as it was best; each row goes on by itself."""
        self.shares = self._learns = False
        self._now = self.kept
        self._ends = ends(self._weight, self._now)

    def step(self, slope: Tensor, values: Tensor, part: float) -> None:
        """Go down a slope at the values, by a part of the usual step size."""
        rate, scale_rate = (part * one for one in self._rates)
        low, high = self._ends
        inside = (self._wanted >= low) & (self._wanted <= high)
        if self._learns:
            pull = _summed(slope * torch.where(inside, values - self._wanted, values), self._now)
            self._scaler.step(pull, scale_rate)
        self._adam.step(slope.mul_(self._unit).mul_(inside), rate)


def _taken(now: Grid, kept: Grid, better: Tensor) -> Grid:
    """The new scales where they were better."""
    if now.scale is kept.scale:
        return kept
    mask = better[:, None] if now.scale.dim() else better[0]
    return replace(kept, scale=torch.where(mask, now.scale, kept.scale))


def _summed(slope: Tensor, grid: Grid) -> Tensor:
    """The gradients of values at their scales' logarithms, summed over the values of each scale."""
    if not grid.scale.dim():
        return slope.sum()
    if grid.scale.shape[1] == 1:
        return slope.sum(1, keepdim=True)
    padded = torch.nn.functional.pad(slope, (0, grid.scale.shape[1] * grid.group_size - slope.shape[1]))
    return padded.view(*grid.scale.shape, grid.group_size).sum(2)


def _shifted(bench: Bench, problem: Problem, shift: Tensor) -> Overlay:
    """The overlay with a shift added to a layer's bias."""
    layer, own = problem.layer, bias_of(bench, bench.reference, problem.layer)
    if own is None:
        return bench.overlay.updated(biases={layer.step: shift.to(problem.given.dtype)})
    changed = (own.double() + shift).to(own.dtype)
    alone = layer.bias is not None and len(bench.engine.program.consumers[layer.bias]) == 1
    if layer.bias is None or not alone:
        return bench.overlay.updated(biases={layer.step: changed})
    return bench.overlay.updated(tensors={layer.bias: changed})
