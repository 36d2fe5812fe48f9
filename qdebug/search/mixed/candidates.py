"""Which choices are looked at: the front, the best for the budget by every way, and one format everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qdebug.results.mixture import Origin
from qdebug.search.mix import (
    Choice,
    Parts,
    Problem,
    front,
    front_worst,
    greedy,
    parts_of,
    solve,
    solve_worst,
    uniform_choices,
)  # fmt: skip
from qdebug.search.mix.choice import Check
from qdebug.search.mix.problem import How
from qdebug.search.mixed.wish import Wish
from qdebug.search.mixed.worst import Members

HOWS: tuple[How, ...] = ("additive", "quadratic")
Predict = Callable[[Sequence[int]], float]


def parts(problem: Problem, members: Sequence[Members], samples: int) -> Parts | None:
    """The prediction of each class and group; None where none can be told apart.

    Args:
        problem: its damage holds all samples along one direction, then along the next.
        members: whose samples are whose.
        samples: how many there are.
    """
    if not members:
        return None
    starts = np.arange(0, problem.damage.shape[2], samples)[:, None]
    return parts_of(problem, [(starts + one.places).reshape(-1) for one in members])


def predictors(problem: Problem, worst: Parts | None) -> dict[str, Predict]:
    """What predicts a choice's damage, by name: the worst part's, or both predictions of the mean."""
    if worst is not None:
        return {"worst": worst.worst}
    return {how: lambda columns, how=how: problem.predict(columns, how) for how in HOWS}


def candidates(
    problem: Problem, wish: Wish, worst: Parts | None, points: int, check: Check
) -> list[tuple[Choice, Origin]]:
    """Choices by rising cost, equal ones once; those beside the front are the best for the budget by other ways."""
    if worst is not None:
        searched = list(front_worst(worst, points=points, check=check))
    else:
        searched = list(front(problem, wish.how, points=points, check=check))
    beside: list[Choice] = []
    if wish.budget is not None:
        searched.append(_best(problem, wish, worst, wish.budget, check))
        hows = ("additive",) if worst is not None else HOWS
        beside += [solve(problem, wish.budget, how, check=check) for how in hows]
        beside += [greedy(problem, wish.budget, how, check).choice for how in hows]
    found: dict[tuple[int, ...], tuple[Choice, Origin]] = {}
    for choice in searched:
        known = found.get(choice.columns)
        if known is None or (choice.gap is not None and (known[0].gap is None or choice.gap < known[0].gap)):
            found[choice.columns] = choice, "search"
    for choice in uniform_choices(problem):
        found.setdefault(choice.columns, (choice, "uniform"))
    for choice in beside:
        found.setdefault(choice.columns, (choice, "beside"))
    return sorted(found.values(), key=lambda pair: (pair[0].cost, pair[0].damage(wish.how), pair[0].columns))


def _best(problem: Problem, wish: Wish, worst: Parts | None, budget: float, check: Check) -> Choice:
    if worst is not None:
        return solve_worst(worst, budget, check=check)
    return solve(problem, budget, wish.how, check=check)
