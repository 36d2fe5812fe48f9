"""Compiled loops over CPU float32 arrays. Importing this fails where numba is missing; callers then use torch."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 2048
"""Values that stay in the first cache while every format looks at them."""


# Sums may be taken in any order (they are estimates with an error of their own); nothing else is relaxed, so that the
# rounding is the same as everywhere.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def project_rounded(x: Floats, h: Floats, scale: Floats, low: Floats, high: Floats, sums: NDArray[np.float64]) -> None:
    """Σ (q(x) − x) · h of each sample for each of several grids with one scale and each of several directions.

    Memory is read once: a block of values stays in the cache for all grids and directions. The quotient is a product
    with the reciprocal: on a tie it may take the other neighbour, which is as far away.

    Args:
        x: ``[S, M]``.
        h: ``[V, S, M]``.
        scale: ``[F]``.
        low: ``[F]``, the smallest code minus the zero point.
        high: ``[F]``, the largest.
        sums: ``[F, V, S]``, added to.
    """
    change = np.empty(BLOCK, np.float32)
    for s in range(x.shape[0]):
        for start in range(0, x.shape[1], BLOCK):
            values = x[s, start : start + BLOCK]
            for f in range(scale.size):
                step, below, above = scale[f], low[f], high[f]
                inverse = np.float32(1.0) / step
                for i in range(values.size):
                    t = np.rint(values[i] * inverse)
                    t = below if t < below else t
                    t = above if t > above else t
                    change[i] = t * step - values[i]
                for v in range(h.shape[0]):
                    along = h[v, s, start : start + BLOCK]
                    total = np.float32(0.0)
                    for i in range(along.size):
                        total += change[i] * along[i]
                    sums[f, v, s] += total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def project_depthwise(
    x: Floats, g: Floats, deltas: Floats, kernel: tuple[int, int], strides: tuple[int, int], before: tuple[int, int],
    dilations: tuple[int, int], sums: Floats,
) -> None:  # fmt: skip
    """⟨δW, G⟩ of each sample for a convolution in which each channel has one filter of its own.

    Args:
        x: ``[S, H, W, C]``.
        g: ``[S, OH, OW, C]``.
        deltas: ``[F, kH · kW, C]``.
        kernel: height and width.
        strides: along both axes.
        before: the padding above and to the left.
        dilations: along both axes.
        sums: ``[F, S]``, written.
    """
    height, width = x.shape[1], x.shape[2]
    taps = kernel[0] * kernel[1]
    gradient = np.empty((taps, x.shape[3]), np.float32)
    for s in range(x.shape[0]):
        gradient[:] = 0.0
        for tap in range(taps):
            own = gradient[tap]
            down, right = tap // kernel[1] * dilations[0] - before[0], tap % kernel[1] * dilations[1] - before[1]
            for i in range(g.shape[1]):
                row = i * strides[0] + down
                if row < 0 or row >= height:
                    continue
                for j in range(g.shape[2]):
                    column = j * strides[1] + right
                    if column < 0 or column >= width:
                        continue
                    seen, back = x[s, row, column], g[s, i, j]
                    for c in range(own.size):
                        own[c] += seen[c] * back[c]
        for f in range(deltas.shape[0]):
            total = np.float32(0.0)
            for tap in range(taps):
                one, two = deltas[f, tap], gradient[tap]
                for c in range(one.size):
                    total += one[c] * two[c]
            sums[f, s] = total
