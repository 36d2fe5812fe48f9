"""Embeddings before and after: how far their directions keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.intervals import ratio
from qdebug.measure.significance import paired_ratio
from qdebug.results import Metric, PairedDifference

Floats = NDArray[np.float64]


def cosines(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """The cosines of each sample's vectors to those of the float model, added up, and how many vectors there are.

    A vector of zeros, which is what stands where a text is padded, has no direction and does not count; one that became
    zero, NaN or Inf has the cosine 0.

    Args:
        before: the float model's ``[N, …, H]``.
        after: the other's.

    Returns:
        both float64 ``[N]``.
    """
    one = before.astype(np.float64).reshape(len(before), -1, before.shape[-1])
    two = np.where(np.isfinite(after), after, 0.0).astype(np.float64).reshape(one.shape)
    broken = ~np.isfinite(after).reshape(one.shape).all(-1)
    long, other = np.linalg.norm(one, axis=-1), np.linalg.norm(two, axis=-1)
    counted, known = long > 0, (long > 0) & (other > 0) & ~broken
    found = np.zeros(long.shape)
    found[known] = (one * two).sum(-1)[known] / (long * other)[known]
    return np.clip(found, -1.0, 1.0).sum(-1), counted.sum(-1).astype(np.float64)


def mean_cosine(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """The mean over all vectors."""
    found, many = cosines(before, after)
    return float(found.sum() / max(many.sum(), 1.0))


def cosine(before: NDArray[np.float32], after: NDArray[np.float32]) -> Metric:
    """As a metric: samples are independent, their vectors are clusters (a ratio of sums, Cochran 1977, chapter 9A)."""
    found, many = cosines(before, after)
    value, half = ratio(found, many) if many.sum() else (0.0, 0.0)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Metric(
        name="cosine", float_=1.0, quantized=value, delta=value - 1.0, ci95=(low - 1.0, high - 1.0),
        quantized_ci95=(low, high), flips=0, n=len(before), predictions=0, agreement=1.0, higher_is_better=True,
    )  # fmt: skip


def cosine_difference(
    base: NDArray[np.float32], one: NDArray[np.float32], two: NDArray[np.float32]
) -> PairedDifference:
    """Two models by their cosines to a third, sample by sample."""
    (first, many), (second, _) = cosines(base, one), cosines(base, two)
    weight = np.maximum(many, 1.0)
    a, b = float(first.sum() / max(many.sum(), 1.0)), float(second.sum() / max(many.sum(), 1.0))
    delta, half = ratio(second - first, weight)
    return PairedDifference(
        name="cosine", a=a, b=b, delta=delta, ci95=(max(-2.0, delta - half), min(2.0, delta + half)),
        p=paired_ratio(second - first, weight), lost=int((second < first).sum()), gained=int((second > first).sum()),
        changed=int((one.reshape(len(one), -1) != two.reshape(len(two), -1)).any(1).sum()), predictions=len(base),
        n=len(base), higher_is_better=True,
    )  # fmt: skip
