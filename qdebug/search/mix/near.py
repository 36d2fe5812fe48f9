"""The choices next to one: what to measure where predictions cannot tell the best few apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qdebug.search.mix.problem import Problem

_PAIRS = 256
"""Changes of two rows that are predicted, of all that fit: those whose two changes are best one by one."""

Predict = Callable[[Sequence[int]], float]


def near(problem: Problem, columns: Sequence[int], budget: float, predict: Predict) -> list[tuple[int, ...]]:
    """Choices within a budget that differ from one in the plan of one row or of two, the least predicted damage first.

    A row is a layer, or several that are tied.

    Args:
        problem: what is decided over.
        columns: ``[L]``, the choice.
        budget: the most a choice may cost.
        predict: the damage of a choice.
    """
    groups = problem.groups
    at = np.array([columns[tied[0]] for tied in groups.members])
    now = predict(columns)
    single = {
        (int(row), int(plan)): predict(groups.columns(_changed(at, ((row, plan),)))) - now
        for row, plan in np.argwhere(groups.open)
        if plan != at[row]
    }
    more = {(row, plan): float(groups.cost[row, plan] - groups.cost[row, at[row]]) for row, plan in single}
    room = budget + problem.round_off - problem.cost_of(columns)
    changes = list(single)
    pairs = [
        (one, two)
        for place, one in enumerate(changes)
        for two in changes[place + 1 :]
        if one[0] != two[0] and more[one] + more[two] <= room
    ]
    pairs = sorted(pairs, key=lambda pair: single[pair[0]] + single[pair[1]])[:_PAIRS]
    tried = [groups.columns(_changed(at, change)) for change in (*((one,) for one in changes), *pairs)]
    fitting = [one for one in tried if problem.fits(one, budget)]
    return sorted(fitting, key=lambda one: (predict(one), one))


def _changed(at: np.ndarray, changes: Sequence[tuple[int, int]]) -> np.ndarray:
    found = at.copy()
    for row, plan in changes:
        found[row] = plan
    return found
