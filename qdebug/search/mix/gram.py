"""The quadratic prediction as a matrix, so that a change of one layer costs a few additions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qdebug.search.mix.groups import Groups

_CHUNK = 1024
"""Samples that are widened to float64 at a time."""


@dataclass(frozen=True, eq=False)
class Gram:
    """``mean_n (base + Σ x_i d_i)² = x·Q·x + 2·pull·x + base²`` over the pairs i of a row and a plan.

    Args:
        products: float64 ``[G·P, G·P]``, the mean products of damages; 0 where a pair is not open.
        pull: float64 ``[G·P]``, the mean products of the base with the damages.
    """

    products: np.ndarray
    pull: np.ndarray


def gram(damage: np.ndarray, base: np.ndarray, groups: Groups) -> Gram:
    """The Gram matrix of damages ``[L, P, N]``, tied layers summed; products and sums in float64."""
    rows, plans = groups.open.shape
    size, samples = rows * plans, damage.shape[2]
    products, pull = np.zeros((size, size)), np.zeros(size)
    counts = groups.counted & groups.open[groups.row_of]
    for start in range(0, samples, _CHUNK):
        part = slice(start, min(start + _CHUNK, samples))
        wide = np.zeros((rows, plans, part.stop - start))
        for row, tied in enumerate(groups.members):
            for layer in tied:
                plan = counts[layer]
                wide[row, plan] += damage[layer, plan, part]
        flat = wide.reshape(size, -1)
        products += flat @ flat.T
        pull += flat @ base[part]
    return Gram(products / samples, pull / samples)
