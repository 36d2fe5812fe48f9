"""Changes of one row, or of two at once, while they help."""

from __future__ import annotations

import numpy as np

from qdebug.search.mix.choice import Check, no_check
from qdebug.search.mix.problem import How, Problem
from qdebug.search.mix.walk import Walk

_ROUNDS = 200
_GAIN = 1e-9
"""Relative to the prediction: smaller gains are round-off of the Gram matrix."""
_MOST_PAIRS = 1200
"""Above so many open (row, plan) pairs, two changes at once are only looked for among those that look best alone."""


def improve(
    problem: Problem,
    at: np.ndarray,
    how: How,
    *,
    budget: float = np.inf,
    most_damage: float | None = None,
    check: Check = no_check,
) -> np.ndarray:
    """Rows' plans that are no worse, by steepest descent over changes of one row and of two rows.

    Args:
        problem: what is decided over.
        at: ``[G]``, plans that meet the budget and the limit of damage.
        how: which prediction is meant by damage.
        budget: the most a choice may cost.
        most_damage: None: the least damage within the budget is sought. Otherwise the least cost at which the predicted
            damage stays within this.
        check: called before each step; raises to stop.

    Returns:
        ``[G]``, plans that meet the same limits, with damage (or cost) no greater.
    """
    walk = Walk(problem, at, how)
    seek_cost = most_damage is not None
    for _ in range(_ROUNDS):
        check()
        damage_now, cost_now = problem.predict(walk.columns, how), problem.cost_of(walk.columns)
        damage, cost = walk.damage_changes(), walk.cost_changes()
        if seek_cost:
            goal, other, room, least = cost, damage, most_damage - damage_now, problem.round_off
        else:
            goal, other, room, least = damage, cost, budget + problem.round_off - cost_now, _GAIN * abs(damage_now)
        moves = _single(goal, other, room, least) or _double(walk, goal, other, room, least, seek_cost)
        if not moves:
            break
        before = walk.at.copy()
        for pair in moves:
            walk.move(*divmod(pair, damage.shape[1]))
        new_damage, new_cost = problem.predict(walk.columns, how), problem.cost_of(walk.columns)
        held = new_damage <= most_damage if seek_cost else problem.fits(walk.columns, budget)
        better = new_cost < cost_now if seek_cost else new_damage < damage_now
        if not (held and better):  # the Gram matrix promised what the prediction does not keep
            return before
    return walk.at


def _single(goal: np.ndarray, other: np.ndarray, room: float, least: float) -> tuple[int, ...]:
    """The one change that gains most and fits, if any."""
    found = np.where(other <= room, goal, np.inf)
    best = int(found.argmin())
    return (best,) if found.flat[best] < -least else ()


def _double(
    walk: Walk, goal: np.ndarray, other: np.ndarray, room: float, least: float, seek_cost: bool
) -> tuple[int, ...]:
    """The two changes of different rows that together gain most and fit, if any."""
    plans = goal.shape[1]
    real = np.isfinite(goal)
    real[np.arange(len(walk.at)), walk.at] = False
    pairs = np.flatnonzero(real)
    if len(pairs) > _MOST_PAIRS:
        pairs = np.sort(pairs[np.argsort(np.abs(walk.damage_changes().flat[pairs]), kind="stable")[:_MOST_PAIRS]])
    if not len(pairs):
        return ()
    g, o, both = goal.flat[pairs], other.flat[pairs], walk.pair_changes(pairs)
    gain, use = g[:, None] + g, o[:, None] + o
    if seek_cost:
        use += both
    else:
        gain += both
    row = pairs // plans
    gain[(use > room) | (row[:, None] == row)] = np.inf
    i, j = divmod(int(gain.argmin()), len(pairs))
    return (int(pairs[i]), int(pairs[j])) if gain[i, j] < -least else ()
