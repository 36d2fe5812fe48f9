"""Ranges per channel, and which channels stand out."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from qdebug.results import ChannelRanges

OUTLIER = 6.0
"""A channel is an outlier where its absmax is more than this many times the median of all channels' absmax."""


def channel_limits(x: Tensor, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest finite value of each channel of a tensor at hand; +inf and −inf where there is none."""
    moved = x.detach().movedim(axis, 0)
    rows = moved.reshape(len(moved), math.prod(moved.shape[1:]))
    if not rows.numel():
        return np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    finite = torch.isfinite(rows)
    low = torch.where(finite, rows, torch.inf).amin(1)
    high = torch.where(finite, rows, -torch.inf).amax(1)
    return low.double().cpu().numpy(), high.double().cpu().numpy()


def channel_ranges(low: ArrayLike, high: ArrayLike) -> ChannelRanges:
    """The ranges of all channels and the outliers among them.

    Where the median absmax is 0 nothing can be called wide, and no channel is an outlier. A channel without a finite
    value (``low > high``) has the range [0, 0].
    """
    least, most = np.atleast_1d(np.asarray(low, np.float64)), np.atleast_1d(np.asarray(high, np.float64))
    some = least <= most
    least, most = np.where(some, least, 0.0), np.where(some, most, 0.0)
    absmax = np.maximum(np.abs(least), np.abs(most))
    median = float(np.median(absmax)) if absmax.size else 0.0
    outliers = np.flatnonzero(absmax > OUTLIER * median) if median > 0 else np.empty(0, int)
    return ChannelRanges(
        low=tuple(least.tolist()), high=tuple(most.tolist()), outliers=tuple(outliers.tolist()),
        widest_ratio=float(absmax.max()) / median if median > 0 else 0.0,
    )  # fmt: skip
