"""The integer program: one binary variable for each row and plan, handed to HiGHS in numbers it can work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from qdebug.search.mix.quiet import quiet

_GOAL_RANGE, _ROW_RANGE = 10.0, 1000.0
"""What is minimized, and what rows hold, are spread over these. HiGHS stops at an absolute gap of 1e-6, and keeps rows
within 1e-6, which SciPy cannot change; a goal spread wider makes coefficients that it fails on ("Solve error")."""
_INFEASIBLE = 2
_SLACK = 1e-9
"""Round-off of sums over a row, relative."""


@dataclass(frozen=True, eq=False)
class Row:
    """``coefficients·x ≤ limit``, or ``≤ limit + t`` where ``above`` says so; coefficients ``[G, P]``."""

    coefficients: np.ndarray
    limit: float
    above: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """What the integer program says.

    Args:
        at: ``[G]``, the best choice found; None where there was none in time, or none at all. To be checked: HiGHS
            meets rows only within a tolerance.
        bound: what nothing is below; inf where nothing is feasible.
        finished: whether it was solved to the end.
    """

    at: np.ndarray | None
    bound: float
    finished: bool


def minimize(
    goal: np.ndarray | None,
    rows: Sequence[Row],
    kept: np.ndarray,
    known: tuple[float, float],
    *,
    nodes: int,
    seconds: float,
) -> Found:
    """Minimize ``goal·x``, or t where there is no goal, over one plan per row.

    Every row's least coefficient is subtracted from the row, and all is divided by what is left of the limit, or by the
    distance between the known bounds: tolerances then are relative to what is at stake.

    Args:
        goal: float64 ``[G, P]``; None: t, which rows with ``above`` push up.
        rows: what limits x.
        kept: bool ``[G, P]``, the plans that may be taken; at least one in every row.
        known: a lower and an upper bound of what is minimized.
        nodes: branch-and-bound nodes.
        seconds: of wall clock.

    Raises:
        nothing; what HiGHS cannot do comes back as ``at = None`` with the lower bound that was known.
    """
    low, high = known
    kept = _possible(goal, rows, kept, high)
    if not kept.any(1).all():
        return Found(None, np.inf, True)
    groups, _ = kept.shape
    pairs = np.flatnonzero(kept)
    count = len(pairs)
    step = max(high - low, 1e-9 * abs(high), np.finfo(float).tiny) / _GOAL_RANGE
    size = count + (goal is None)
    objective = np.zeros(size)
    offset = low
    if goal is None:
        objective[-1] = 1.0
    else:
        objective, least = _centred(goal, kept)
        objective, offset = objective / step, least
    ones = sp.csr_matrix((np.ones(count), (pairs // kept.shape[1], np.arange(count))), shape=(groups, size))
    constraints = [LinearConstraint(ones, 1, 1)]
    for row in rows:
        centred, least = _centred(row.coefficients, kept)
        room = row.limit - least
        if not row.above and not centred.max() > 0:
            continue
        unit = step if row.above else max(room, float(centred.max())) / _ROW_RANGE
        line = np.zeros((1, size))
        line[0, :count] = np.minimum(centred / unit, 1e9)
        if row.above:
            line[0, -1] = -1.0
        upper = (room + low) / unit if row.above else max(room, 0.0) / unit
        constraints.append(LinearConstraint(sp.csr_matrix(line), -np.inf, upper))
    top = np.ones(size)
    top[count:] = np.inf
    with quiet():
        result = milp(
            objective,
            integrality=(np.arange(size) < count).astype(int),
            bounds=Bounds(0, top),
            constraints=constraints,
            options={"mip_rel_gap": 0.0, "node_limit": nodes, "time_limit": max(seconds, 0.01)},
        )
    if result.status == _INFEASIBLE:
        return Found(None, np.inf, True)
    dual = result.mip_dual_bound
    bound = low if dual is None or not np.isfinite(dual) else max(low, offset + step * dual)
    if result.x is None:
        return Found(None, bound, False)
    share = np.full(kept.shape, -1.0)
    share.flat[pairs] = result.x[:count]
    return Found(share.argmax(1), bound, result.status == 0)


def _possible(goal: np.ndarray | None, rows: Sequence[Row], kept: np.ndarray, high: float) -> np.ndarray:
    """The kept plans less those that break a row, or lift the goal above what is known to be reached, by themselves."""
    lines = [(row.coefficients, row.limit + (high if row.above else 0.0)) for row in rows]
    if goal is not None:
        lines.append((goal, high))
    for values, limit in lines:
        least = np.where(kept, values, np.inf).min(1, keepdims=True)
        slack = _SLACK * (abs(limit) + float(np.abs(least).sum()))
        kept = kept & (values - least <= limit - float(least.sum()) + slack)
        if not kept.any(1).all():
            break
    return kept


def _centred(values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, float]:
    """The kept values less their row's least, flat, and the sum of the leasts."""
    least = np.where(kept, values, np.inf).min(1, keepdims=True)
    return (values - least)[kept], float(least.sum())
