"""The best choice there is, with proof, or with how much of a proof is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qdebug.search.mix.baselines import uniform_rows
from qdebug.search.mix.budget import below_least, check_budget, check_limit
from qdebug.search.mix.choice import Check, Choice, Limits, describe, no_check
from qdebug.search.mix.greedy import greedy, saving
from qdebug.search.mix.outer import Goal, approximate
from qdebug.search.mix.problem import How, Problem

DEFAULT = Limits()


def solve(
    problem: Problem, budget: float, how: How = "additive", limits: Limits = DEFAULT, check: Check = no_check
) -> Choice:
    """The choice of least predicted damage that costs no more than the budget.

    One binary variable for each layer (or tied layers) and plan, as in bit allocation by integer programming (Yao et
    al. 2021, "HAWQ-V3: Dyadic neural network quantization"). The additive prediction is linear in them; the quadratic
    one is convex and supported by planes (see :func:`qdebug.search.mix.outer.approximate`). What is returned is never
    worse, by the prediction asked for, than the greedy choices, than any uniform choice that fits, and for the
    quadratic prediction than the best choice by the additive one: all of them are compared at the end, in float64.

    Args:
        problem: what is decided over.
        budget: the most a choice may cost, in the problem's unit; inf for no limit.
        how: which prediction is minimized.
        limits: when to stop proving.
        check: called before whatever takes long; raises to stop. One integer program is not interrupted.

    Returns:
        The choice; ``bound`` is the least damage that any choice within the budget can have, ``gap`` what is unproven.

    Raises:
        UsageError: the budget is below the least cost of any allowed choice.
        NumericError: the budget is NaN.
    """
    budget = check_budget(problem, budget)
    goal = Goal(problem, how, budget, seek_cost=False)
    starts = [rows for rows in uniform_rows(problem) if goal.met(rows)]
    for rule in dict.fromkeys(("additive", how)):
        starts.append(_rows(problem, greedy(problem, budget, rule, check).choice.columns))
    if how == "quadratic":
        starts.append(_rows(problem, solve(problem, budget, "additive", limits, check).columns))
    return _finished(goal, starts, limits, check)


def cheapest(
    problem: Problem, most_damage: float, how: How = "additive", limits: Limits = DEFAULT, check: Check = no_check
) -> Choice:
    """The choice of least cost whose predicted damage is no more than a limit.

    Never dearer than the greedy choices and the uniform ones within the limit. Otherwise as :func:`solve`, with
    ``bound`` the least cost that any choice within the limit can have, and ``gap`` relative to the cost.

    Args:
        problem: what is decided over.
        most_damage: squared output error per sample.
        how: which prediction is limited.
        limits: when to stop proving.
        check: called before whatever takes long; raises to stop.

    Raises:
        UsageError: no choice was found within the limit; the least damage found is said, and what none is below.
        NumericError: the limit is NaN.
    """
    most_damage = check_limit(most_damage, "limit of damage")
    goal = Goal(problem, how, most_damage, seek_cost=True)
    starts = [rows for rows in uniform_rows(problem) if goal.met(rows)]
    for saved in (saving(problem, most_damage, how, check), saving(problem, most_damage, "additive", check)):
        if saved is not None and goal.met(saved):
            starts.append(saved)
    if not starts:
        thorough = replace(limits, rounds=max(limits.rounds, DEFAULT.rounds), few=max(limits.few, DEFAULT.few))
        least = solve(problem, np.inf, how, thorough, check)
        if least.damage(how) > most_damage:
            proven = f", and none is below {least.bound:.6g}" if least.gap else ""
            raise below_least("limit of damage", most_damage, f"the least found is {least.damage(how):.6g}{proven}")
        starts.append(_rows(problem, least.columns))
    return _finished(goal, starts, limits, check)


def _finished(goal: Goal, starts: list[np.ndarray], limits: Limits, check: Check) -> Choice:
    """The best that can be made of choices that keep to the limit."""
    starts = [goal.improved(_best(goal, starts), check), *starts]
    found, bound = approximate(goal, _best(goal, starts), limits, check)
    best = _best(goal, [found, *starts])
    value = goal.value(best)
    short = max(value - bound, 0.0)
    gap = 0.0 if short <= limits.gap * abs(value) else short / abs(value)
    choice = describe(goal.problem, goal.problem.groups.columns(best))
    return replace(choice, bound=float(min(bound, value)), gap=float(gap))


def _best(goal: Goal, found: list[np.ndarray]) -> np.ndarray:
    """The best by what is minimized, then by the other of damage and cost, then the first in order of plans."""

    def rank(at: np.ndarray) -> tuple[float, float, tuple[int, ...]]:
        columns = goal.problem.groups.columns(at)
        other = goal.problem.predict(columns, goal.how) if goal.seek_cost else goal.problem.cost_of(columns)
        return goal.value(at), other, columns

    return min(found, key=rank)


def _rows(problem: Problem, columns: tuple[int, ...]) -> np.ndarray:
    """``[G]``, the plan of each row, of those of the layers."""
    return np.array([columns[tied[0]] for tied in problem.groups.members])
