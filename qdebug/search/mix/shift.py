"""How much of a quadratic over one plan per row can be called linear and leave the rest convex."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

_SINGULAR = 1e-9
"""Directions within a row whose damage is below this share of the row's largest are taken for none."""
_MARGIN = 1e-7
_BARRIERS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_NEWTON = 4


def shares(moved: np.ndarray, row: np.ndarray, rows: int, weights: np.ndarray | None) -> np.ndarray:
    """Shares λ ``[G]`` of each row's diagonal block that can be taken from a matrix and leave no negative eigenvalue.

    In directions that make every block the identity, this asks for a diagonal below the matrix. Without weights, all
    rows get the least eigenvalue. With them the weighted sum of shares is made large, by Newton steps on a
    log-determinant barrier (Vandenberghe and Boyd 1996, "Semidefinite programming"); single shares may be negative.

    Args:
        moved: float64 ``[M, M]``, positive semi-definite.
        row: int ``[M]``, ascending: the row that each entry belongs to.
        rows: G.
        weights: positive float64 ``[G]``, what a share of each row's block is worth; None: all get the same share.
    """
    whiten, owner = _whitening(moved, row)
    if not len(owner):
        return np.zeros(rows)
    white = whiten.T @ moved @ whiten
    least = float(np.linalg.eigvalsh(white)[0])
    same = np.full(rows, min(max(least - _MARGIN, 0.0), 1.0))
    if weights is None:
        return same
    found = _climb(white, owner, weights, least)
    short = float(np.linalg.eigvalsh(white - np.diag(found[owner]))[0])
    found += min(short, 0.0) - _MARGIN
    return found if found @ weights > same @ weights else same


def _whitening(moved: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions ``[M, W]`` in which each row's block is the identity, and the row of each ``[W]``."""
    columns, owner = [], []
    for one in np.unique(row):
        members = np.flatnonzero(row == one)
        block = moved[np.ix_(members, members)]
        scale = np.sqrt(np.maximum(block.diagonal(), np.finfo(float).tiny))
        values, vectors = np.linalg.eigh(block / scale / scale[:, None])
        for value, vector in zip(values, vectors.T, strict=True):
            if value > _SINGULAR * values.max():
                column = np.zeros(len(row))
                column[members] = vector / scale / np.sqrt(value)
                columns.append(column)
                owner.append(one)
    return np.array(columns).reshape(len(columns), len(row)).T, np.array(owner, np.int64)


def _climb(white: np.ndarray, owner: np.ndarray, weights: np.ndarray, least: float) -> np.ndarray:
    """Shares that make ``weights·λ + barrier·log det(white − diag(λ))`` large, for ever smaller barriers."""
    rows = np.unique(owner)
    member = (owner[:, None] == rows).astype(float)
    value = np.full(len(rows), least - 0.1)
    for barrier in _BARRIERS:
        for _ in range(_NEWTON):
            inverse = _inverse(white, member @ value)
            if inverse is None:
                break
            slope = weights[rows] / barrier - member.T @ inverse.diagonal()
            bend = member.T @ np.square(inverse) @ member
            step = np.linalg.solve(bend + 1e-12 * np.trace(bend) * np.eye(len(bend)), slope)
            size = 1 / (1 + np.sqrt(max(float(slope @ step), 0.0)))
            if size > 0.5:
                size = 1.0
            while size > 1e-6 and _inverse(white, member @ (value + size * step)) is None:
                size /= 2
            value = value + size * step if size > 1e-6 else value
    found = np.zeros(len(weights))
    found[rows] = value
    return found


def _inverse(white: np.ndarray, diagonal: np.ndarray) -> np.ndarray | None:
    """The inverse of ``white − diag``, or None where it is not positive definite."""
    try:
        factor = cho_factor(white - np.diag(diagonal), lower=True)
    except LinAlgError:
        return None
    return cho_solve(factor, np.eye(len(white)))
