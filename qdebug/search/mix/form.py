"""The prediction as a convex function of fractions of plans, and the planes that support it from below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qdebug.search.mix.problem import Problem
from qdebug.search.mix.shift import shares


@dataclass(frozen=True, eq=False)
class Cut:
    """A plane: no choice x (one plan per row) has less predicted damage than ``offset + slope·x``.

    Args:
        slope: float64 ``[G, P]``.
        offset: squared output error per sample.
    """

    slope: np.ndarray
    offset: float


@dataclass(frozen=True, eq=False)
class Form:
    """``x·curved·x + linear·x + constant``, convex, and equal to the prediction where x is a choice.

    Args:
        curved: float64 ``[G·P, G·P]``, positive semi-definite; None for zeros.
        linear: float64 ``[G·P]``.
        constant: squared output error per sample.
        shape: (G, P).
    """

    curved: np.ndarray | None
    linear: np.ndarray
    constant: float
    shape: tuple[int, int]

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Float64 ``[G·P]``, at x ``[G·P]``."""
        return self.linear if self.curved is None else 2 * (self.curved @ x) + self.linear

    def value(self, x: np.ndarray) -> float:
        """Of x ``[G·P]``."""
        return float((self.gradient(x) + self.linear) @ x / 2) + self.constant

    def cut(self, x: np.ndarray) -> Cut:
        """The plane that touches the form at x ``[G·P]`` (Kelley 1960, "The cutting-plane method")."""
        gradient = self.gradient(x)
        return Cut(gradient.reshape(self.shape), self.value(x) - float(gradient @ x))


def additive_form(problem: Problem) -> Form:
    """The additive prediction, which is its own plane."""
    groups = problem.groups
    return Form(None, groups.additive.ravel(), groups.base_square, groups.open.shape)


def quadratic_form(problem: Problem, kept: np.ndarray, at: np.ndarray, weights: np.ndarray | None = None) -> Form:
    """The quadratic prediction with as much of it as possible made linear.

    Damages are counted from those of the choice ``at``, so that round-off is relative to what is near it. Of one row
    only one plan is taken, so that ``x·B·x`` and ``diag(B)·x`` agree on choices for any B that joins plans of one row
    only. With B the blocks of the Gram matrix on its diagonal, shares λ of them that leave ``Q − λB`` positive
    semi-definite are moved into the linear part: between choices the form then lies higher, and bounds are closer
    (Billionnet, Elloumi and Plateau 2009, "Improving the performance of standard solvers for quadratic 0-1 programs by
    a tight convex reformulation").

    Args:
        problem: what is decided over.
        kept: bool ``[G, P]``, the plans that still count; the fewer, the larger λ.
        at: ``[G]``, the choice that is counted from.
        weights: positive float64 ``[G]``, what a share of each row is worth; None: all rows get the same.
    """
    shape = kept.shape
    rows, plans = shape
    products, pull = problem.gram.products, problem.gram.pull
    row = np.repeat(np.arange(rows), plans)
    origin = np.arange(rows) * plans + at
    real = kept.ravel().copy()
    real[origin] = False
    pairs = np.flatnonzero(real)
    to_origin = products[np.ix_(pairs, origin)][:, row[pairs]]
    among = products[np.ix_(origin, origin)][np.ix_(row[pairs], row[pairs])]
    moved = products[np.ix_(pairs, pairs)] - to_origin - to_origin.T + among
    field = products[:, origin].sum(1) + pull
    blocks = np.where(row[pairs][:, None] == row[pairs], moved, 0.0)
    share = shares(moved, row[pairs], rows, weights)[row[pairs]]
    curved, linear = np.zeros((rows * plans, rows * plans)), np.zeros(rows * plans)
    curved[np.ix_(pairs, pairs)] = moved - share * blocks
    linear[pairs] = 2 * (field[pairs] - field[origin][row[pairs]]) + share * blocks.diagonal()
    return Form(curved, linear, problem.predict(problem.groups.columns(at), "quadratic"), shape)


def spread(problem: Problem, point: np.ndarray) -> np.ndarray:
    """What one more unit of each row's share would lift a form at fractions ``[G·P]``, relative: float64 ``[G]``.

    The mean square of a row's damages, drawn with its fractions, about their mean; 0 where one plan has it all.
    """
    shape = problem.groups.open.shape
    fraction = point.reshape(shape)
    blocks = problem.gram.products.reshape(*shape, *shape)[np.arange(shape[0]), :, np.arange(shape[0])]
    squares = (fraction * blocks.diagonal(axis1=1, axis2=2)).sum(1)
    found = np.maximum(squares - np.einsum("gp,gpq,gq->g", fraction, blocks, fraction), 0.0)
    return found / max(float(found.max()), np.finfo(float).tiny)
