"""The Blahut-Arimoto algorithm for squared error, along a whole curve of slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]

STEP = 0.5
"""Neighbouring slopes differ by the factor 2^STEP: their rates differ by about STEP / 2 bits."""

_FINENESS = 6
"""Reproduction values per √T, the width of the channel's noise at temperature T = 1 / (2 s)."""
_GAP = 5e-4
"""Nats below which the bound of Blahut's stopping rule ends the iteration."""
_ITERATIONS = 300
_GROWTH, _BOLDEST = 1.15, 200.0
_SPREAD = 0.02
"""Share of the start's mass that is spread evenly, so that no reproduction value is ruled out."""


def lagrangian(x: Array, p: Array, coldest: float) -> tuple[Array, Array]:
    """The smallest ``R + s · D`` of a discrete source over channels, for slopes ``s`` from coldest to hottest.

    For each temperature T = 1 / (2 s) the output distribution q that maximizes ``E log Σ_j q_j exp(−s (x − y_j)²)`` is
    found by Blahut's iteration (1972, IEEE Trans. IT 18:460), which is expectation-maximization for a mixture of
    Gaussians of variance T, with an over-relaxed exponent that falls back to the plain step where it went too far
    (Salakhutdinov & Roweis 2003). Each slope starts from its colder neighbour's answer: atoms merge as T grows, and
    merging is what the multiplicative step does fast.

    Args:
        x: values, ``[n]``, at least two different ones.
        p: their probabilities, ``[n]``.
        coldest: the smallest temperature, in squared units of ``x``.

    Returns:
        Slopes ``[k]``, increasing, and the Lagrangian in nats ``[k]``. The first slope is the critical one: at it and
        below the best channel has rate 0, and the Lagrangian is s times the variance.
    """
    mean = float(p @ x)
    variance = float(p @ (x - mean) ** 2)
    critical = _critical_temperature(x - mean, p, variance)
    slopes, values = [0.5 / critical], [0.5 * variance / critical]
    temperatures = coldest * 2.0 ** (STEP * np.arange(64 / STEP))
    y, q = np.sort(x), p[np.argsort(x, kind="stable")]
    for t in temperatures[temperatures < critical]:
        pitch = max(np.sqrt(min(t, variance)) / _FINENESS, np.sqrt(coldest) / 2)
        grid = np.linspace(y[0], y[-1], int(np.ceil((y[-1] - y[0]) / pitch)) + 1)
        grid = np.union1d(grid, [mean, 0.0] if y[0] < 0 < y[-1] else [mean])
        start = _moved(y, q, grid)
        q, value = _solve(np.exp((x[:, None] - grid) ** 2 * (-0.5 / t)), p, start)
        y = grid
        slopes.insert(1, 0.5 / t)
        values.insert(1, min(value, 0.5 * variance / t))
    return np.array(slopes), np.array(values)


def _critical_temperature(centred: Array, p: Array, variance: float) -> float:
    """The temperature above which the rate is 0: the source's sub-Gaussian variance proxy, sup 2 log E exp(λx) / λ².

    One reproduction value, the mean, is optimal exactly where moving mass to any other value does not pay:
    E exp(2 s y x) ≤ exp(s y²) for all y.
    """
    span = float(np.ptp(centred))
    steps = np.geomspace(1e-3, 1e3, 200) / span
    tilts = np.concatenate([-steps, steps])
    proxy = 2 * np.asarray(logsumexp(tilts[:, None] * centred, axis=1, b=p)) / tilts**2
    # Tilts below a hundredth of a standard deviation give the variance less rounding.
    return max(variance, float(proxy[np.abs(tilts) * np.sqrt(variance) > 1e-2].max(initial=0.0)))


def _moved(y: Array, q: Array, grid: Array) -> Array:
    """A distribution on ``y`` as one on ``grid``: a mass goes to the nearer value, and a little to all."""
    edges = (grid[1:] + grid[:-1]) / 2
    moved = np.bincount(np.searchsorted(edges, y), weights=q, minlength=len(grid))
    return (1 - _SPREAD) * moved / moved.sum() + _SPREAD / len(grid)


def _solve(kernel: Array, p: Array, q: Array) -> tuple[Array, float]:
    """The output distribution and −E log Σ q exp(…), never below the optimum and at most the bound's gap above it."""
    backward = np.ascontiguousarray(kernel.T)
    best, power, safe = -np.inf, 1.0, q
    for _ in range(_ITERATIONS):
        seen = kernel @ q
        value = float(p @ np.log(seen))
        if value < best:
            q, power = safe, 1.0
            seen = kernel @ q
            value = float(p @ np.log(seen))
        best = value
        gain = backward @ (p / seen)
        if np.log(gain.max()) < _GAP:
            break
        safe = q * gain
        safe /= safe.sum()
        q = q * gain**power
        q /= q.sum()
        power = min(power * _GROWTH, _BOLDEST)
    return q, -best
