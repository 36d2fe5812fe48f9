"""Outer approximation: integer programs over planes, until what they promise and what was found meet."""

from __future__ import annotations

import time

import numpy as np

from qdebug.search.mix.choice import Check, Limits
from qdebug.search.mix.goal import Goal
from qdebug.search.mix.planes import Planes

_PROGRESS = 0.99
"""A round that leaves more than this share of the gap makes people wait for nothing."""
_LINEAR_ROUNDS, _LINEAR_NODES = 10, 20_000


def approximate(goal: Goal, best: np.ndarray, limits: Limits, check: Check) -> tuple[np.ndarray, float]:
    """The best rows' plans ``[G]`` found, and what no others can be below.

    Each integer program minimizes over planes that support the prediction from below; at what it finds, a plane is
    added (Duran and Grossmann 1986, "An outer-approximation algorithm for a class of mixed-integer nonlinear
    programs"). Plans that no better choice can contain leave between programs.

    Args:
        goal: what is minimized and what limits it.
        best: ``[G]``, plans that keep to the limit, to begin with.
        limits: when to stop.
        check: called before whatever takes long; raises to stop.
    """
    deadline = time.monotonic() + limits.seconds
    state = Planes(goal, best)
    state.strengthen(check)
    slow = 0
    state.finish(limits.few)
    rounds = limits.rounds if goal.how == "quadratic" else _LINEAR_ROUNDS
    nodes = limits.nodes if goal.how == "quadratic" else _LINEAR_NODES
    for _ in range(rounds):
        check()
        left = deadline - time.monotonic()
        if state.closed(limits.gap) or left <= 0 or slow == limits.patience or state.finish(limits.few):
            break
        open_before = state.value - state.bound
        if not state.round(nodes, left, check):
            break
        slow = slow + 1 if state.value - state.bound > _PROGRESS * open_before else 0
    return state.best, min(state.bound, state.value)
