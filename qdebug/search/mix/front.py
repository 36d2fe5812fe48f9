"""What precision buys: the choices of which none is both cheaper and less damaging than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from qdebug.errors import UsageError
from qdebug.search.mix.choice import Check, Choice, Limits, no_check
from qdebug.search.mix.exact import solve
from qdebug.search.mix.problem import How, Problem

Damage = Callable[[Choice], float]

QUICK = Limits(rounds=0)
"""For each of many budgets: no integer program for the quadratic prediction, only its bound by fractions of plans."""


def front(
    problem: Problem,
    how: How = "additive",
    *,
    points: int = 24,
    refine: int = 8,
    limits: Limits = QUICK,
    check: Check = no_check,
) -> tuple[Choice, ...]:
    """The Pareto front of cost against predicted damage.

    Budgets are spaced evenly between the least cost and the cost of the least damage, and each is solved. Then more
    are tried where the front, drawn with the damage's logarithm, bends most.

    Args:
        problem: what is decided over.
        how: which prediction is minimized; the choices carry both.
        points: budgets to begin with, at least 2.
        refine: budgets added where it bends.
        limits: for each budget.
        check: called before whatever takes long; raises to stop.

    Returns:
        Choices by rising cost and falling damage (by ``how``), no two of the same cost. The first has the least cost
        there is, the last the least damage found.

    Raises:
        UsageError: fewer than two points are asked for.
    """
    return traced(
        lambda budget: solve(problem, budget, how, limits, check), lambda one: one.damage(how), problem.least_cost,
        points=points, refine=refine,
    )  # fmt: skip


def traced(
    solved: Callable[[float], Choice], damage: Damage, least_cost: float, *, points: int = 24, refine: int = 8
) -> tuple[Choice, ...]:
    """The front of whatever is minimized; see :func:`front`.

    Args:
        solved: the best choice within a budget.
        damage: what it minimizes.
        least_cost: of any choice.
        points: budgets to begin with.
        refine: budgets added where the front bends.
    """
    if points < 2:
        raise UsageError(f"A front of {points} points has no ends", do="Ask for at least 2.")
    dearest = solved(np.inf)
    budgets = np.linspace(least_cost, dearest.cost, points)[:-1]
    found = _undominated([dearest, *(solved(float(budget)) for budget in budgets)], damage)
    tried: set[tuple[float, float]] = set()
    for _ in range(refine):
        side = _widest_side_of_sharpest_bend(found, damage, tried)
        if side is None:
            break
        tried.add(side)
        found = _undominated([*found, solved(sum(side) / 2)], damage)
    return found


def undominated(choices: Sequence[Choice], how: How) -> tuple[Choice, ...]:
    """Those that no other beats or equals in both cost and predicted damage, by rising cost; one of several equal."""
    return _undominated(choices, lambda one: one.damage(how))


def _undominated(choices: Sequence[Choice], damage: Damage) -> tuple[Choice, ...]:
    kept: list[Choice] = []
    for choice in sorted(choices, key=lambda one: (one.cost, damage(one), one.columns)):
        if not kept or damage(choice) < damage(kept[-1]):
            kept.append(choice)
    return tuple(kept)


def _widest_side_of_sharpest_bend(
    found: Sequence[Choice], damage: Damage, tried: set[tuple[float, float]]
) -> tuple[float, float] | None:
    """Two neighbouring costs between which another budget is worth most, or None where nothing bends."""
    positive = [damage(one) for one in found if damage(one) > 0]
    if len(found) < 3 or not positive:
        return None
    floor = min(positive) / 10
    width = found[-1].cost - found[0].cost
    heights = [math.log(max(damage(one), floor)) for one in found]
    height = heights[0] - heights[-1] or 1.0
    drawn = [((one.cost - found[0].cost) / width, level / height) for one, level in zip(found, heights, strict=True)]
    sides: list[tuple[float, tuple[float, float]]] = []
    for i in range(1, len(found) - 1):
        (x0, y0), (x1, y1), (x2, y2) = drawn[i - 1 : i + 2]
        bend = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
        left, right = (found[i - 1].cost, found[i].cost), (found[i].cost, found[i + 1].cost)
        wider, narrower = (left, right) if x1 - x0 >= x2 - x1 else (right, left)
        sides += [(bend, side) for side in (wider, narrower) if side not in tried][:1]
    return max(sides)[1] if sides and max(sides)[0] > 0 else None
