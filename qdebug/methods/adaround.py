"""AdaRound.

Nagel, Amjad, van Baalen, Louizos, Blankevoort: *Up or Down? Adaptive Rounding for Post-Training Quantization*, ICML
2020 (arXiv:2004.10568), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from qdebug.engine.threads import one_thread
from qdebug.methods.adam import Adam
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.followers import follower_of
from qdebug.methods.inputs import in_waves
from qdebug.methods.objectives import Objective, objectives
from qdebug.quantize import Grid, fake_quantize
from qdebug.quantize.neighbours import neighbours
from qdebug.recipes.fixes import AdaRound

ZETA, GAMMA = 1.1, -0.1
"""What the sigmoid is stretched to (equation 23)."""
FIRST_BETA, LAST_BETA = 20.0, 2.0
"""Of the regularization (equation 24)."""
LOOK = 50
"""Iterations between two looks at the error."""

Watch = Callable[[int, float], None]
"""Gets the iterations done and the error over nearest rounding's."""


def round_by_adaround(bench: Bench, fix: AdaRound) -> Bench:
    """Round every layer of the bench in the order of the graph.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Returns:
        The bench with rounded weights.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    waves = in_waves(bench.engine, bench.layers)
    total, done = fix.iterations * sum(map(len, waves)), 0
    with one_thread():
        for wave in waves:
            problems = [bench.problem(design.layer) for design in wave]
            followers = [follower_of(bench, one) if fix.through_activation else None for one in problems]
            aims = objectives(
                bench, wave, problems, followers, sequential=fix.sequential, batch=fix.batch, seed=fix.seed
            )
            rounded = {}
            for problem, aim in zip(problems, aims, strict=True):
                values = adaround(
                    problem.weight, problem.grid, aim, fix, watched(bench, problem, "AdaRound", done, total)
                )
                rounded[problem.layer.step] = problem.rounded(values)
                done += fix.iterations
            bench = bench.with_rounded(rounded)
    return bench


def watched(bench: Bench, problem: Problem, method: str, before: int, total: int) -> Watch:
    """Reports a layer's descent to the bench's work, and stops it when asked.

    Args:
        bench: whose work.
        problem: the layer.
        method: who works.
        before: iterations done before.
        total: iterations in all.
    """

    def watch(done: int, error: float) -> None:
        bench.work.check()
        if done % LOOK == 0:
            text = f"rounding {problem.layer.name} by {method}, error {error:.0%} of nearest rounding's"
            bench.work.step(before + done, total, text)

    return watch


def adaround(weight: Tensor, grid: Grid, aim: Objective, fix: AdaRound, watch: Watch | None = None) -> Tensor:
    """Round each weight up or down by descent on the objective (equations 21 to 25).

    ``Ŵ = below + (above − below) · h(V)`` with the rectified sigmoid h; ``V`` begins where ``Ŵ = W``, and Adam takes it
    down ``objective / unit + λ Σ (1 − |2 h(V) − 1|^β)``. The unit is the error that changing an average weight by the
    whole gap makes with inputs that are independent, so that λ means the same in every layer. β falls along a cosine.

    Args:
        weight: float32 ``[R, C]``.
        grid: what the values have to lie on.
        aim: the objective.
        fix: the parameters.
        watch: called at each iteration.

    Returns:
        float32 ``[R, C]`` on the grid. A row whose objective would be above that of rounding to nearest is rounded so.
    """
    below, above = neighbours(weight, grid)
    gap = above - below
    nearest = fake_quantize(weight, grid)
    least = aim.errors(nearest)
    soft = Softened(weight, below, gap)
    unit = (gap.square().mean(1, keepdim=True) * aim.power).clamp_min(torch.finfo(torch.float32).tiny)
    towards = gap / unit
    adam = Adam(soft.v, fix.learning_rate)
    error = 1.0
    for turn in range(fix.iterations):
        values = soft.values()
        if watch is not None:
            if turn % LOOK == 0:
                error = over_nearest(aim.errors(values), least)
            watch(turn, error)
        slope = aim.slope(values, turn).mul_(towards)
        beta = beta_at(turn, fix.iterations, fix.warm_up)
        adam.step(soft.slope(slope, fix.regularization, beta))
    values = torch.where(soft.up(), above, below)
    worse = ~(aim.errors(values) <= least)
    return torch.where(worse[:, None], nearest, values)


def beta_at(turn: int, turns: int, warm_up: float) -> float | None:
    """β of a turn; None in the warm-up, where the regularization has no part."""
    start = warm_up * turns
    if turn < start:
        return None
    along = (turn - start) / max(turns - start, 1)
    return LAST_BETA + 0.5 * (FIRST_BETA - LAST_BETA) * (1 + math.cos(along * math.pi))


class Softened:
    """Weights between two levels, by the rectified sigmoid of ``v`` (equations 22 and 23).

    Args:
        weight: where they begin, float32 ``[R, C]``.
        below: the level below each.
        gap: to the level above; 0 where there is no choice.
    """

    def __init__(self, weight: Tensor, below: Tensor, gap: Tensor) -> None:
        self._below, self._gap = below, gap
        place = torch.where(gap > 0, ((weight - below) / gap).clamp(0, 1), 0.0)
        self.v = torch.logit((place - GAMMA) / (ZETA - GAMMA))
        self._sigmoid, self._share = torch.empty_like(self.v), torch.empty_like(self.v)

    def values(self) -> Tensor:
        """The weights now."""
        torch.sigmoid(self.v, out=self._sigmoid)
        torch.mul(self._sigmoid, ZETA - GAMMA, out=self._share).add_(GAMMA).clamp_(0, 1)
        return torch.addcmul(self._below, self._gap, self._share)

    def up(self) -> Tensor:
        """Which weights go up."""
        return (self.v >= 0) & (self._gap > 0)

    def slope(self, slope: Tensor, strength: float, beta: float | None) -> Tensor:
        """The gradient at ``v`` for one at the shares h, ``slope``, which is overwritten.

        Args:
            slope: ``[R, C]``.
            strength: λ.
            beta: the regularization's exponent; None for none.
        """
        if beta is not None:
            tilt = self._share.mul(2).sub_(1)
            size = tilt.abs().pow_(beta - 1)
            slope.addcmul_(size, tilt.sign_(), value=-2 * strength * beta)
        passed = (self._share > 0) & (self._share < 1)
        return slope.mul_(passed).mul_(self._sigmoid).mul_(self._sigmoid.neg().add_(1).mul_(ZETA - GAMMA))


def over_nearest(errors: Tensor, least: Tensor) -> float:
    """Errors of rows as a part of rounding to nearest's."""
    return float(errors.sum() / least.sum().clamp_min(torch.finfo(torch.float64).tiny))
