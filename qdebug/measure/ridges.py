"""The distribution of a weight in single channels, with the limits that its grid sets each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.measure.cells import squared_by_line
from qdebug.measure.channels import channel_limits
from qdebug.measure.split import decibels
from qdebug.quantize import Grid
from qdebug.results import Ridge

MOST = 24
"""Channels that a picture has room for."""
BINS = 48
"""At most; as many as twice the root of the number of values."""
FEW = 32
"""Values of a channel up to which they are shown one by one: a histogram of nine says little."""

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


def clip_limits(grid: Grid, channels: int) -> Limits:
    """The outermost clip limits of each channel: of its widest scale, where it has several.

    Args:
        grid: of a weight ``[channels, inputs]``; scales ``[]``, ``[channels, 1]`` or ``[channels, groups]``.
        channels: how many.
    """
    low, high = (limit.nan_to_num(0.0, 0.0, 0.0) for limit in (grid.clip_min, grid.clip_max))
    if not low.dim():
        return np.full(channels, float(low)), np.full(channels, float(high))
    return low.amin(1).numpy(), high.amax(1).numpy()


def fill(weight: Tensor, limits: Limits) -> NDArray[np.float64]:
    """How far each channel reaches towards the limit on its side: 1 where it touches one, more where it is clipped."""
    low, high = channel_limits(weight, 0)
    parts = np.zeros((2, len(low)))
    for part, end, limit in zip(parts, (low, high), limits, strict=True):
        there = np.isfinite(end) & (end * limit > 0)
        part[there] = end[there] / limit[there]
    return parts.max(0)


def evenly(weight: Tensor, most: int = MOST) -> list[int]:
    """Channels at even distances in the order of their largest magnitude, widest and narrowest among them."""
    low, high = channel_limits(weight, 0)
    widths = np.where(low <= high, np.maximum(np.abs(low), np.abs(high)), 0.0)
    order = np.argsort(-widths, kind="stable")
    return [int(order[place]) for place in np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int)]


def worst(noise: NDArray[np.float64], signal: NDArray[np.float64], most: int = MOST) -> list[int]:
    """The channels with the most noise per signal, most first; none without noise or without signal."""
    ratio = np.divide(noise, signal, out=np.zeros_like(noise), where=signal > 0)
    order = np.argsort(-ratio, kind="stable")[:most]
    return [int(place) for place in order if ratio[place] > 0]


def powers(weight: Tensor, quantized: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared error and squared weight, summed over each channel of ``[channels, inputs]``."""
    return squared_by_line(quantized.detach() - weight.detach())[0], squared_by_line(weight)[0]


def ridges(weight: Tensor, quantized: Tensor, chosen: Sequence[int], limits: Limits | None) -> tuple[Ridge, ...]:
    """The chosen channels of a weight ``[channels, inputs]`` and of the same quantized."""
    found = []
    for channel in chosen:
        line = weight[channel].detach().double()
        line = line[torch.isfinite(line)]
        low, high = (float(line.min()), float(line.max())) if line.numel() else (0.0, 0.0)
        few = line.numel() <= FEW
        counts = () if few else np.histogram(line.numpy(), min(BINS, round(2 * line.numel() ** 0.5)), (low, high))[0]
        noise, signal = (float(part[0]) for part in powers(weight[channel : channel + 1], quantized[channel][None]))
        found.append(Ridge(
            channel=channel, low=low, high=high, counts=tuple(map(int, counts)),
            values=tuple(line.sort().values.tolist()) if few else (),
            clip_min=None if limits is None else float(limits[0][channel]),
            clip_max=None if limits is None else float(limits[1][channel]),
            sqnr_db=decibels(signal, noise), codes=int(quantized[channel].unique().numel()),
        ))  # fmt: skip
    return tuple(found)
