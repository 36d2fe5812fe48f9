"""What projections know of a choice's error, and how well: products of errors, and the chance in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qdebug.search.mix.problem import Problem


@dataclass(frozen=True, eq=False)
class Evidence:
    """Errors of rows in plans, and last of what is quantized whatever is chosen, as D places.

    The predicted error of a choice is the sum of the products of all pairs of its places.

    Attributes:
        problem: what is decided over.
        products: float64 ``[D, D]``: mean products of projections, those of different rows made smaller by the part of
            their squares that chance explains.
        chance: float64 ``[D, D]``: the relative covariance that random directions give the mean squares.
        row, plan: int ``[D]``, whose place it is; what is always quantized is a row and a plan of its own.
    """

    problem: Problem
    products: np.ndarray
    chance: np.ndarray
    row: np.ndarray
    plan: np.ndarray

    def place(self, row: int, plan: int) -> np.ndarray:
        """The places of a row alone in a plan, with what is always quantized, that are predicted to have an error."""
        every = np.array([row * self.problem.damage.shape[1] + plan, len(self.row) - 1])
        return every[self.products[every, every] > 0]

    def places(self, columns: Sequence[int]) -> np.ndarray:
        """The places of a choice ``[L]`` that are predicted to have an error."""
        plans = self.problem.damage.shape[1]
        chosen = [row * plans + columns[tied[0]] for row, tied in enumerate(self.problem.groups.members)]
        every = np.array([*chosen, len(self.row) - 1])
        return every[self.products[every, every] > 0]


def evidence(problem: Problem, samples: int) -> Evidence:
    """Products and chance of a problem's projections.

    The mean product of two layers' projections on V directions for each of N samples has a standard error, which its
    own spread over samples tells. Few samples and directions make something of nothing there; so all these products
    are shrunk towards 0 by the sum of their variances over the sum of their squares, in units of correlation (Schäfer
    and Strimmer 2005, Stat. Appl. Genet. Mol. Biol. 4:32). Where they are mostly chance that is the additive
    prediction, where they are known it is the quadratic one.

    A mean square has chance of its own: along a random direction the square of an error e is off by a variance of
    2 e⁴, as that of a normal variable, so that a mean z of V squares tells of a variance of 2 z² / (V + 2). Places
    whose errors come from the same samples share it.

    Args:
        problem: its damage holds all samples along one direction, then along the next.
        samples: how many there are.
    """
    rows, plans = problem.groups.open.shape
    along = _projections(problem).reshape(rows * plans + 1, -1, samples)
    directions = along.shape[1]
    flat = along.reshape(len(along), -1)
    products = flat @ flat.T / flat.shape[1]
    row, plan = np.arange(len(along)) // plans, np.append(np.tile(np.arange(plans), rows), plans)
    apart = row[:, None] != row[None]
    squares = np.outer(np.diag(products), np.diag(products))
    counted = apart & (squares > 0)
    correlated = float((products[counted] ** 2 / squares[counted]).sum())
    doubted = float((_variance(along, products)[counted] / squares[counted]).sum())
    kept = max(0.0, 1 - doubted / correlated) if correlated > 0 else 0.0
    heavy = (along**2).mean(1)
    shares = heavy / np.maximum(heavy.sum(1, keepdims=True), np.finfo(np.float64).tiny)
    chance = 2 / (directions + 2) * (shares @ shares.T)
    return Evidence(problem, np.where(apart, kept * products, products), chance, row, plan)


def with_changes(known: Evidence, changes: Mapping[tuple[int, int], np.ndarray]) -> Evidence:
    """The same where it is known how the model's outputs change with single rows.

    How far the errors of two rows go together is then that of the changes, and no longer a prediction along random
    directions; how large they are is for :func:`~qdebug.search.mix.correction.corrected` to learn. Where something is
    quantized whatever is chosen, changes hold that as well and say nothing of rows.

    Args:
        known: the predictions.
        changes: float64 ``[M]`` by row and plan; those of which nothing is predicted, or that are not finite, teach
            nothing.
    """
    if known.products[-1, -1] > 0:
        return known
    plans = known.problem.damage.shape[1]
    told = {row * plans + plan: change for (row, plan), change in changes.items() if change @ change > 0}
    told = {at: change for at, change in told.items() if np.isfinite(change @ change) and known.products[at, at] > 0}
    if len(told) < 2:
        return known
    at = np.array(list(told))
    units = np.stack([change / np.linalg.norm(change) for change in told.values()])
    roots = np.sqrt(known.products[at, at])
    products = known.products.copy()
    products[np.ix_(at, at)] = units @ units.T * np.outer(roots, roots)
    products[at, at] = known.products[at, at]
    return replace(known, products=products)


def _variance(along: np.ndarray, products: np.ndarray) -> np.ndarray:
    """That of each mean product ``[D, D]``, of projections ``[D, directions, samples]``."""
    directions, samples = along.shape[1:]
    squares = np.zeros_like(products)
    for one in range(directions):
        for two in range(one + 1):
            both = along[:, one] * along[:, two]
            squares += (1 if one == two else 2) * (both @ both.T)
    found: np.ndarray = np.maximum(squares / (directions**2 * samples) - products**2, 0.0) / max(samples - 1, 1)
    return found


def _projections(problem: Problem) -> np.ndarray:
    """Those of every place, ``[D, pairs of sample and direction]``; zeros where a place is not open."""
    groups = problem.groups
    assert problem.base is not None
    counts = groups.counted & groups.open[groups.row_of]
    found = np.zeros((*groups.open.shape, problem.damage.shape[2]))
    for row, tied in enumerate(groups.members):
        for layer in tied:
            found[row, counts[layer]] += problem.damage[layer, counts[layer]]
    return np.concatenate([found.reshape(-1, problem.damage.shape[2]), problem.base[None]])
