"""A search that can be followed step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qdebug.search.mix.budget import check_budget
from qdebug.search.mix.choice import Check, Choice, describe, no_check
from qdebug.search.mix.problem import How, Problem
from qdebug.search.mix.walk import Walk


@dataclass(frozen=True)
class Step:
    """One change of a layer, or of layers that are tied.

    Args:
        layers: which.
        before, after: their plan, as column indices.
        cost_before, cost_after: of the whole choice, in the problem's unit.
        damage_before, damage_after: the predicted squared output error per sample of the whole choice.
    """

    layers: tuple[int, ...]
    before: int
    after: int
    cost_before: float
    cost_after: float
    damage_before: float
    damage_after: float


@dataclass(frozen=True)
class Greedy:
    """How a greedy search went: the choice it began with, each step (savings first, then repairs), where it ended."""

    start: Choice
    savings: tuple[Step, ...]
    repairs: tuple[Step, ...]
    choice: Choice


def greedy(problem: Problem, budget: float, how: How = "additive", check: Check = no_check) -> Greedy:
    """Save where it hurts least until the budget is met, then spend what is left of it where it helps most.

    Starts with every layer's least damaging plan. Each saving is the change of one layer (or tied layers) that adds
    least predicted damage per unit of cost saved, the rule of knapsack heuristics (Zemel 1980, "The linear multiple
    choice knapsack problem"). The last saving often saves more than was needed: the repairs then take, again and
    again, the change that takes away most damage of those that still fit.

    Args:
        problem: what is decided over.
        budget: the most a choice may cost, in the problem's unit; inf for no limit.
        how: which prediction is meant by damage.
        check: called before each step; raises to stop.

    Returns:
        The steps and the choice they end in.

    Raises:
        UsageError: the budget is below the least cost of any allowed choice.
        NumericError: the budget is NaN.
    """
    budget = check_budget(problem, budget)
    walk = Walk(problem, start(problem), how)
    first = describe(problem, walk.columns)
    savings: list[Step] = []
    while not problem.fits(walk.columns, budget):
        check()
        savings.append(_take(walk, _cheapest_saving(walk)))
    repairs: list[Step] = []
    while True:
        check()
        damage = walk.damage_changes()
        room = budget + problem.round_off - problem.cost_of(walk.columns)
        damage[walk.cost_changes() > room] = np.inf
        best = int(damage.argmin())
        step = _take(walk, best) if damage.flat[best] < 0 else None
        if step is None or not step.damage_after < step.damage_before or not problem.fits(walk.columns, budget):
            if step is not None:  # round-off promised what the prediction does not keep
                walk.move(best // damage.shape[1], step.before)
            break
        repairs.append(step)
    return Greedy(first, tuple(savings), tuple(repairs), describe(problem, walk.columns))


def start(problem: Problem) -> np.ndarray:
    """``[G]``, each row's least damaging plan taken alone; the cheapest of several."""
    groups = problem.groups
    damage = np.where(groups.open, groups.additive, np.inf)
    least = damage <= damage.min(1, keepdims=True)
    return np.where(least, groups.open_cost, np.inf).argmin(1)


def saving(problem: Problem, most_damage: float, how: How, check: Check = no_check) -> np.ndarray | None:
    """``[G]``, where savings as :func:`greedy` makes them end that never exceed a predicted damage; None: they cannot.

    Args:
        problem: what is decided over.
        most_damage: squared output error per sample.
        how: which prediction is meant by damage.
        check: called before each step; raises to stop.
    """
    walk = Walk(problem, start(problem), how)
    if problem.predict(walk.columns, how) > most_damage:
        return None
    while True:
        check()
        room = most_damage - problem.predict(walk.columns, how)
        best = _cheapest_saving(walk, room)
        if best is None:
            return walk.at
        row, before = best // problem.cost.shape[1], int(walk.at[best // problem.cost.shape[1]])
        _take(walk, best)
        if problem.predict(walk.columns, how) > most_damage:
            walk.move(row, before)
            return walk.at


def _cheapest_saving(walk: Walk, room: float = np.inf) -> int | None:
    """The (row, plan) pair that adds least damage per cost saved, among those that add no more than ``room``."""
    cost, damage = walk.cost_changes(), walk.damage_changes()
    saves = (cost < 0) & (damage <= room)
    if not saves.any():
        return None
    rate = np.full(cost.shape, np.inf)
    rate[saves] = damage[saves] / -cost[saves]
    return int(rate.argmin())


def _take(walk: Walk, pair: int | None) -> Step:
    """Make a change, and say what it did."""
    assert pair is not None, "something can be saved while the budget is not met"
    problem = walk.problem
    row, plan = divmod(pair, problem.cost.shape[1])
    before = int(walk.at[row])
    was = walk.columns
    walk.move(row, plan)
    return Step(
        layers=problem.groups.members[row],
        before=before,
        after=plan,
        cost_before=problem.cost_of(was),
        cost_after=problem.cost_of(walk.columns),
        damage_before=problem.predict(was, walk.how),
        damage_after=problem.predict(walk.columns, walk.how),
    )
