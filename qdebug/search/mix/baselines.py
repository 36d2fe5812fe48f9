"""What a search has to beat: the same plan everywhere, and plans drawn at random."""

from __future__ import annotations

import numpy as np

from qdebug.search.mix.budget import check_budget
from qdebug.search.mix.choice import Choice, describe
from qdebug.search.mix.problem import Problem


def uniform_choices(problem: Problem) -> tuple[Choice, ...]:
    """For each plan, the choice that takes it everywhere ``[P]``.

    Where a plan may not be taken (a floor, a pin, no prediction), the cheapest of the open ones that cost no less
    stands in for it, or the dearest where none does or where the plan's cost is unknown.
    """
    return tuple(describe(problem, problem.groups.columns(rows)) for rows in uniform_rows(problem))


def uniform_rows(problem: Problem) -> list[np.ndarray]:
    """The uniform choices by row: P arrays ``[G]``."""
    groups, choices = problem.groups, []
    dearest = np.where(groups.open, groups.cost, -np.inf).argmax(1)
    for plan in range(problem.cost.shape[1]):
        wanted = np.array([problem.cost[list(tied), plan].sum() for tied in groups.members])
        dear_enough = np.where(groups.open_cost >= wanted[:, None], groups.open_cost, np.inf)
        stand_in = np.where(np.isfinite(dear_enough).any(1), dear_enough.argmin(1), dearest)
        choices.append(np.where(groups.open[:, plan], plan, stand_in))
    return choices


def random_choices(problem: Problem, budget: float, count: int, seed: int) -> tuple[Choice, ...]:
    """Choices drawn at random that cost as nearly the budget as random changes bring them.

    Each starts from an open plan for every layer (or tied layers), drawn alike. While it is too dear, a random row
    gets a random cheaper plan; then rows in random order get the dearest plan that still fits and is dearer than what
    they have.

    Args:
        problem: what is decided over.
        budget: the most each may cost, in the problem's unit; inf for no limit.
        count: how many; they need not differ.
        seed: the same seed draws the same choices.

    Raises:
        UsageError: the budget is below the least cost of any allowed choice.
        NumericError: the budget is NaN.
    """
    budget = check_budget(problem, budget)
    generator = np.random.default_rng(seed)
    return tuple(describe(problem, problem.groups.columns(_draw(problem, budget, generator))) for _ in range(count))


def _draw(problem: Problem, budget: float, generator: np.random.Generator) -> np.ndarray:
    groups = problem.groups
    at = np.where(groups.open, generator.random(groups.open.shape), -1.0).argmax(1)
    rows = np.arange(len(at))
    while not problem.fits(groups.columns(at), budget):
        cheaper = groups.open_cost < groups.cost[rows, at][:, None]
        row = int(generator.choice(np.flatnonzero(cheaper.any(1))))
        at[row] = generator.choice(np.flatnonzero(cheaper[row]))
    if budget == np.inf:
        return at
    for row in generator.permutation(len(at)):
        room = budget + problem.round_off - problem.cost_of(groups.columns(at))
        more = groups.open_cost[row] - groups.cost[row, at[row]]
        fitting = np.where(groups.open[row] & (more > 0) & (more <= room), more, -np.inf)
        if fitting.max() > 0:
            at[row] = int(fitting.argmax())
            if not problem.fits(groups.columns(at), budget):  # round-off of the sum
                at[row] = int(np.where(groups.open[row], groups.open_cost[row], np.inf).argmin())
    return at
