"""What fractions of plans would reach: where planes support best, and which plans no good choice contains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qdebug.search.mix.choice import Check
from qdebug.search.mix.form import Form

_SWEEPS = 40
_HALVINGS = 14
_LAGRANGE = 80


def fractions(
    form: Form, cost: np.ndarray, kept: np.ndarray, enough: Callable[[np.ndarray], bool], check: Check
) -> list[np.ndarray]:
    """Points ``[G·P]`` near the least of ``form`` for the least price of cost at which ``enough`` holds.

    For each price μ, ``form(x) + μ·cost·x`` is minimized over one simplex per row, moving mass between two plans of a
    row at a time (as in sequential minimal optimization, Platt 1998); μ is bisected. Any point gives a valid plane,
    good ones give a high one, so nothing here is done to the end.

    Args:
        form: what is minimized.
        cost: float64 ``[G, P]``.
        kept: bool ``[G, P]``, at least one in every row.
        enough: of a point; true for every price above some.
        check: called before each price; raises to stop.
    """
    x = np.zeros(kept.shape)
    x[np.arange(len(x)), np.where(kept, form.linear.reshape(kept.shape), np.inf).argmin(1)] = 1
    x = _descend(form, cost * 0.0, kept, x.ravel())
    if enough(x) or not np.ptp(cost[kept]) > 0:
        return [x]
    spread = max(float(np.ptp(cost[kept])), np.finfo(float).tiny)
    low, high, after = 0.0, max(float(np.ptp(form.gradient(x)[kept.ravel()])), np.finfo(float).tiny) / spread, x
    for _ in range(_HALVINGS):
        check()
        after = _descend(form, high * cost, kept, after)
        if enough(after):
            break
        low, x, high = high, after, high * 16
    for _ in range(_HALVINGS):
        check()
        price = np.sqrt(low * high) if low else high / 16
        middle = _descend(form, price * cost, kept, after)
        if enough(middle):
            high, after = price, middle
        else:
            low, x = price, middle
    return [x, after, (x + after) / 2]


def _descend(form: Form, price: np.ndarray, kept: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``x`` moved towards the least of ``form(x) + price·x``."""
    rows, plans = kept.shape
    x = x.copy()
    slope = form.gradient(x) + price.ravel()
    out = np.where(kept, 0.0, np.inf)
    for _ in range(_SWEEPS):
        up, down = _extremes(slope.reshape(rows, plans) + out, x.reshape(rows, plans))
        flat = np.arange(rows) * plans
        gain = slope[flat + up] - slope[flat + down]
        busy = np.flatnonzero(gain > 1e-3 * max(float(gain.max()), 1e-300))
        if gain.max() <= 1e-7 * (np.abs(slope[flat + down]).max() + abs(form.constant) / rows):
            break
        for row in busy:
            i, j = flat[row] + up[row], flat[row] + down[row]
            gain_now = slope[i] - slope[j]
            if gain_now <= 0:
                continue
            if form.curved is None:
                step = x[i]
            else:
                bend = form.curved[i, i] - 2 * form.curved[i, j] + form.curved[j, j]
                step = min(x[i], gain_now / (2 * bend)) if bend > 0 else x[i]
                slope += 2 * step * (form.curved[j] - form.curved[i])
            x[i] = x[i] - step
            x[j] += step
    return x


def _extremes(slope: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[G]``: each row's used plan of the highest slope, and its plan of the lowest."""
    return np.where(x > 0, slope, -np.inf).argmax(1), slope.argmin(1)


def lagrange(goal: np.ndarray, row: np.ndarray, room: float, kept: np.ndarray, best: float) -> tuple[float, np.ndarray]:
    """A lower bound of ``goal·x`` over choices with ``row·x ≤ room``, and the plans that can still reach ``best``.

    The bound is Lagrange's, at the best price found by bisection; a plan whose reduced cost lifts it above ``best`` is
    in no choice as good (Fisher 1981, "The Lagrangian relaxation method for solving integer programming problems").

    Args:
        goal: float64 ``[G, P]``.
        row: float64 ``[G, P]``.
        room: inf for no limit.
        kept: bool ``[G, P]``, at least one in every row.
        best: what ``goal·x`` is known to reach.

    Returns:
        The bound (inf where ``row`` cannot be met), and bool ``[G, P]``, within ``kept``.
    """
    goal, row = np.where(kept, goal, np.inf), np.where(kept, row, np.inf)
    finite_row = np.where(kept, row, 0.0)
    if room < np.inf and row.min(1).sum() > room + 1e-9 * (abs(room) + np.abs(row.min(1)).sum()):
        return np.inf, np.zeros_like(kept)

    def at_price(price: float) -> tuple[float, float, np.ndarray]:
        total = goal + price * finite_row
        least = total.argmin(1)
        used = float(finite_row[np.arange(len(row)), least].sum())
        value = float(total.min(1).sum()) - (price * room if price else 0.0)
        return value, used, total - total.min(1, keepdims=True)

    bound, used, reduced = at_price(0.0)
    if used > room:
        spread = max(float(np.ptp(finite_row[kept])), np.finfo(float).tiny)
        low, high = 0.0, max(float(np.ptp(goal[kept])), np.finfo(float).tiny) * 1e3 / spread
        for _ in range(_LAGRANGE):
            price = np.sqrt(low * high) if low else high * 1e-3
            value, used, now = at_price(price)
            if value > bound:
                bound, reduced = value, now
            low, high = (price, high) if used > room else (low, price)
            if not low and high < 1e-300:
                break
    slack = 1e-9 * (abs(best) + abs(bound))
    return bound, kept & (bound + reduced <= best + slack)
