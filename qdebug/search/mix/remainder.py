"""Where few choices are left, all of them."""

from __future__ import annotations

import numpy as np

from qdebug.search.mix.form import Form
from qdebug.search.mix.goal import Goal

_NEAR = 1e-9
"""Relative round-off of values that come from a form."""


def how_many(kept: np.ndarray, most: int) -> int:
    """How many choices the kept plans ``[G, P]`` leave, or ``most + 1`` where there are more."""
    total = 1
    for count in kept.sum(1).tolist():
        total *= count
        if total > most:
            return most + 1
    return total


def best_of_all(goal: Goal, form: Form, kept: np.ndarray) -> np.ndarray | None:
    """The best rows' plans ``[G]`` among all that are kept, or None where none keeps to the limit.

    Args:
        goal: what is minimized and what limits it.
        form: the prediction.
        kept: bool ``[G, P]``, at least one in every row; few choices in all.
    """
    rows, plans = kept.shape
    first = kept.argmax(1)
    free = np.flatnonzero(kept.sum(1) > 1)
    options = [np.flatnonzero(kept[row]) for row in free]
    grid = np.meshgrid(*options, indexing="ij") if options else []
    chosen = np.stack([axis.ravel() for axis in grid], 1) if options else np.zeros((1, 0), np.int64)
    fixed = np.zeros(kept.shape)
    settled = np.setdiff1d(np.arange(rows), free)
    fixed[settled, first[settled]] = 1
    pairs = free * plans + chosen
    slope = form.gradient(fixed.ravel())
    damage = form.value(fixed.ravel()) + slope[pairs].sum(1)
    if form.curved is not None:
        for place in range(pairs.shape[1]):
            damage += form.curved[pairs[:, place][:, None], pairs].sum(1)
    cost = goal.problem.groups.cost.ravel()
    price = float(cost @ fixed.ravel()) + cost[pairs].sum(1)
    value, limited, room = (price, damage, goal.limit) if goal.seek_cost else (damage, price, goal.room)
    possible = np.flatnonzero(limited <= room + _NEAR * (abs(room) if np.isfinite(room) else 1.0) + _tiny(limited))
    best: np.ndarray | None = None
    best_value = np.inf
    for index in possible[np.argsort(value[possible], kind="stable")]:
        if value[index] > best_value + _NEAR * abs(best_value):
            break
        at = first.copy()
        at[free] = chosen[index]
        if goal.met(at) and goal.value(at) < best_value:
            best, best_value = at, goal.value(at)
    return best


def _tiny(values: np.ndarray) -> float:
    """Round-off of sums whose terms may cancel."""
    return _NEAR * float(np.median(np.abs(values)))
