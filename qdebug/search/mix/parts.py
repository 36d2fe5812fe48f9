"""The prediction for parts of the samples, and the choice whose worst part is predicted to be best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qdebug.search.mix.baselines import uniform_rows
from qdebug.search.mix.budget import check_budget
from qdebug.search.mix.choice import Check, Choice, Limits, describe, no_check
from qdebug.search.mix.exact import solve
from qdebug.search.mix.front import traced
from qdebug.search.mix.problem import Problem
from qdebug.search.mix.program import Row, minimize

PROVING = Limits(nodes=2_000, seconds=20.0)
QUICK = Limits(nodes=200, seconds=5.0)
"""For each of many budgets."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The additive prediction of each of K parts of the samples. Parts may overlap, and need not hold all samples.

    Attributes:
        problem: what is decided over.
        layers: float64 ``[K, L, P]``: the mean square of each layer's damage over a part's samples; 0 where it does not
            count.
        base: float64 ``[K]``: that of the base.
    """

    problem: Problem
    layers: np.ndarray
    base: np.ndarray

    def each(self, columns: Sequence[int]) -> np.ndarray:
        """The predicted squared output error per sample of each part ``[K]``, of a choice ``[L]``."""
        found: np.ndarray = self.base + self.layers[:, np.arange(len(columns)), list(columns)].sum(1)
        return found

    def worst(self, columns: Sequence[int]) -> float:
        """That of the worst part."""
        return float(self.each(columns).max())


def parts_of(problem: Problem, members: Sequence[np.ndarray]) -> Parts:
    """The parts of a problem.

    Args:
        problem: with damage ``[L, P, N]``.
        members: for each part the places of its samples among the N; none empty.
    """
    counted = problem.groups.counted & np.isfinite(problem.damage).all(2)
    squares = [
        [np.square(layer[:, places], dtype=np.float64).mean(1) for layer in problem.damage] for places in members
    ]
    assert problem.base is not None
    base = [np.square(problem.base[places]).mean() for places in members]
    return Parts(problem, np.where(counted, np.array(squares), 0.0), np.array(base))


def solve_worst(parts: Parts, budget: float, limits: Limits = PROVING, check: Check = no_check) -> Choice:
    """The choice within a budget whose worst part has the least predicted damage.

    An integer program with one more variable t, which no part may exceed: min t, Σ_k damage[part, k, c_k] ≤ t. What
    comes back is never worse, by the worst part, than the best choice for the mean or than a uniform one that fits.

    Args:
        parts: the prediction part by part.
        budget: the most a choice may cost, in the problem's unit; inf for no limit.
        limits: nodes and seconds of the program.
        check: called before it; raises to stop. The program is not interrupted.

    Returns:
        The choice; ``bound`` and ``gap`` are of the worst part's damage.

    Raises:
        UsageError: the budget is below the least cost of any allowed choice.
        NumericError: the budget is NaN.
    """
    problem, groups = parts.problem, parts.problem.groups
    budget = check_budget(problem, budget)
    starts = [groups.columns(rows) for rows in uniform_rows(problem)]
    starts = [columns for columns in starts if problem.fits(columns, budget)]
    starts.append(solve(problem, budget, "additive", limits, check).columns)
    value = min(parts.worst(columns) for columns in starts)
    by_row = np.stack([parts.layers[:, list(tied)].sum(1) for tied in groups.members], 1)  # [K, G, P]
    least = parts.base + np.where(groups.open, by_row, np.inf).min(2).sum(1)
    low = float(least.max())
    rows = [Row(one, -float(base), above=True) for one, base in zip(by_row, parts.base, strict=True)]
    if np.isfinite(budget):
        rows.append(Row(groups.cost, budget - problem.fixed_cost + problem.round_off))
    check()
    found = minimize(None, rows, groups.open, (low, value), nodes=limits.nodes, seconds=limits.seconds)
    if found.at is not None and problem.fits(groups.columns(found.at), budget):
        starts.append(groups.columns(found.at))
    best = min(starts, key=lambda columns: (parts.worst(columns), problem.cost_of(columns), columns))
    value = parts.worst(best)
    bound = min(found.bound, value)
    short = value - bound
    gap = 0.0 if short <= limits.gap * abs(value) else short / abs(value)
    return replace(describe(problem, best), bound=float(bound), gap=float(gap))


def front_worst(parts: Parts, *, points: int = 16, check: Check = no_check) -> tuple[Choice, ...]:
    """As :func:`qdebug.search.mix.front.front`, by the damage of the worst part."""
    return traced(
        lambda budget: solve_worst(parts, budget, QUICK, check), lambda one: parts.worst(one.columns),
        parts.problem.least_cost, points=points,
    )  # fmt: skip
