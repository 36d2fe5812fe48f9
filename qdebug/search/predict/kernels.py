"""Compiled loops over CPU float32 arrays. Importing this fails where numba is missing; callers then use torch."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 2048
"""Values that stay in the first cache while every format looks at them."""
STRIP = 1024
"""The same where four more arrays as long stay there with them."""


# Sums may be taken in any order (they are estimates with an error of their own); nothing else is relaxed, so that the
# rounding is the same as everywhere.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def project_rounded(x: Floats, h: Floats, scale: Floats, low: Floats, high: Floats, sums: NDArray[np.float64]) -> None:
    """Σ (q(x) − x) · h of each sample for each of several grids with one scale and each of several directions.

    Memory is read once: a block of values stays in the cache for all grids and directions, of which two at a time share
    the rounding.

    Args:
        x: ``[S, M]``.
        h: ``[V, S, M]``.
        scale: ``[F]``.
        low: ``[F]``, the smallest code minus the zero point.
        high: ``[F]``, the largest.
        sums: ``[F, V, S]``, added to.
    """
    for s in range(x.shape[0]):
        for start in range(0, x.shape[1], BLOCK):
            values = x[s, start : start + BLOCK]
            for f in range(scale.size):
                step, below, above = scale[f], low[f], high[f]
                v = 0
                while v + 1 < h.shape[0]:
                    one, two = h[v, s, start : start + BLOCK], h[v + 1, s, start : start + BLOCK]
                    a, b = np.float32(0.0), np.float32(0.0)
                    for i in range(values.size):
                        t = np.rint(values[i] / step)
                        t = below if t < below else t
                        t = above if t > above else t
                        a += (t * step - values[i]) * one[i]
                        b += (t * step - values[i]) * two[i]
                    sums[f, v, s] += a
                    sums[f, v + 1, s] += b
                    v += 2
                if v < h.shape[0]:
                    one, a = h[v, s, start : start + BLOCK], np.float32(0.0)
                    for i in range(values.size):
                        t = np.rint(values[i] / step)
                        t = below if t < below else t
                        t = above if t > above else t
                        a += (t * step - values[i]) * one[i]
                    sums[f, v, s] += a


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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def project_gradients(gradients: Floats, deltas: Floats, first: int, sums: Floats) -> None:
    """⟨δW, G⟩ of each sample for each of several changes of a weight.

    A product of matrices so few and so long as these is no strength of BLAS. Changes are read once for all samples, a
    strip at a time that stays in the cache, and what is loaded of three of them is multiplied with two gradients.

    Args:
        gradients: ``[S, M]``, of some neighbouring values of the weight.
        deltas: ``[F, N]``, of all.
        first: which of the N the first of the M is.
        sums: ``[F, S]``, added to.
    """
    many, size, samples = deltas.shape[0], gradients.shape[1], gradients.shape[0]
    for start in range(0, size, STRIP):
        end = min(start + STRIP, size)
        for s in range(0, samples, 2):
            other = min(s + 1, samples - 1)  # the last one is its own, and then counts once
            x, y, twice = gradients[s, start:end], gradients[other, start:end], np.float32(other - s)
            f = 0
            while f + 2 < many:
                one, two, three = (
                    deltas[f, first + start : first + end],
                    deltas[f + 1, first + start : first + end],
                    deltas[f + 2, first + start : first + end],
                )
                a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                p, q, r = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                for i in range(x.size):
                    a += x[i] * one[i]
                    b += x[i] * two[i]
                    c += x[i] * three[i]
                    p += y[i] * one[i]
                    q += y[i] * two[i]
                    r += y[i] * three[i]
                sums[f, s] += a
                sums[f + 1, s] += b
                sums[f + 2, s] += c
                sums[f, other] += p * twice
                sums[f + 1, other] += q * twice
                sums[f + 2, other] += r * twice
                f += 3
            while f < many:
                one, a, p = deltas[f, first + start : first + end], np.float32(0.0), np.float32(0.0)
                for i in range(x.size):
                    a += x[i] * one[i]
                    p += y[i] * one[i]
                sums[f, s] += a
                sums[f, other] += p * twice
                f += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def project_few(x: Floats, g: Floats, deltas: Floats, near: int, sums: Floats) -> None:
    """⟨δW, G⟩ of each sample where a layer reads four places of a sample: its gradient is made in registers alone.

    Args:
        x: ``[S, 4, K]``, what is multiplied with each row of the weight.
        g: ``[S, 4, O]``.
        deltas: ``[F, O, K]``.
        near: samples that are looked at together for each row of the changes.
        sums: ``[F, S]``, added to.
    """
    for start in range(0, x.shape[0], near):
        for o in range(deltas.shape[1]):
            for s in range(start, min(start + near, x.shape[0])):
                x0, x1, x2, x3 = x[s, 0], x[s, 1], x[s, 2], x[s, 3]
                g0, g1, g2, g3 = g[s, 0, o], g[s, 1, o], g[s, 2, o], g[s, 3, o]
                f = 0
                while f + 5 < deltas.shape[0]:
                    d0, d1, d2 = deltas[f, o], deltas[f + 1, o], deltas[f + 2, o]
                    d3, d4, d5 = deltas[f + 3, o], deltas[f + 4, o], deltas[f + 5, o]
                    a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                    p, q, r = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                    for i in range(x0.size):
                        own = g0 * x0[i] + g1 * x1[i] + g2 * x2[i] + g3 * x3[i]
                        a += own * d0[i]
                        b += own * d1[i]
                        c += own * d2[i]
                        p += own * d3[i]
                        q += own * d4[i]
                        r += own * d5[i]
                    sums[f, s] += a
                    sums[f + 1, s] += b
                    sums[f + 2, s] += c
                    sums[f + 3, s] += p
                    sums[f + 4, s] += q
                    sums[f + 5, s] += r
                    f += 6
                while f + 2 < deltas.shape[0]:
                    d0, d1, d2 = deltas[f, o], deltas[f + 1, o], deltas[f + 2, o]
                    a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                    for i in range(x0.size):
                        own = g0 * x0[i] + g1 * x1[i] + g2 * x2[i] + g3 * x3[i]
                        a += own * d0[i]
                        b += own * d1[i]
                        c += own * d2[i]
                    sums[f, s] += a
                    sums[f + 1, s] += b
                    sums[f + 2, s] += c
                    f += 3
                while f < deltas.shape[0]:
                    d0, a = deltas[f, o], np.float32(0.0)
                    for i in range(x0.size):
                        a += (g0 * x0[i] + g1 * x1[i] + g2 * x2[i] + g3 * x3[i]) * d0[i]
                    sums[f, s] += a
                    f += 1
