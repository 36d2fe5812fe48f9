"""Ranges of rows and groups, exactly from the data: min-max, percentile, MSE-optimal, entropy, ACIQ, OCTAV.

All take finite values or not: NaN and ±Inf never set a range. Results are float64, hold zero and, with it, nothing
wider than the values seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qdebug.formats import QFormat
from qdebug.quantize.layout import groups
from qdebug.quantize.qparams import QParams, choose_qparams
from qdebug.quantize.ranges.aciq import Density, aciq_range
from qdebug.quantize.ranges.entropy import entropy_limit
from qdebug.quantize.ranges.octav import octav_range
from qdebug.quantize.ranges.search import search_clip
from qdebug.quantize.rounding import kernels

Range = tuple[Tensor, Tensor]

_BINS = 1024
"""Bins of a row's magnitudes for the entropy method (a tensor's, where there is only one row, are twice as many)."""

_TRIED = 128
"""Limits tried for each of several rows; for a single one every bin's edge is."""

_AT_ONCE = 1 << 20
"""Values held in float64 at a time."""


def minmax(x: Tensor, size: int = 0) -> Range:
    """Smallest and largest finite value of each group of ``x [R, C]``; shape ``[R, G]``, one group for ``size`` 0."""
    return _each(x, size, _minmax_rows)


def percentile(x: Tensor, keep: float, size: int = 0) -> Range:
    """The central ``keep`` percent of each group's finite values: ``(100 − keep) / 2`` percent are cut on either side.

    Between two values it interpolates linearly. Where the percentiles of a group are both zero though its values are
    not, the group keeps its min-max range: a range of zero alone would say nothing about the scale.
    """
    low, high = _each(x, size, lambda part: _percentile_rows(part, keep))
    least, most = minmax(x, size)
    empty = (low == 0) & (high == 0)
    return torch.where(empty, least, low), torch.where(empty, most, high)


def mse(x: Tensor, fmt: QFormat, symmetric: bool, size: int = 0) -> Range:
    """The clip range of each group that gives the smallest squared quantization error, found by search."""
    columns = x.shape[1]
    finite = torch.nan_to_num(x.float(), nan=0.0, posinf=0.0, neginf=0.0).contiguous()

    def errors(low: Tensor, high: Tensor) -> Tensor:
        candidates = (choose_qparams(*pair, fmt, symmetric) for pair in zip(low, high, strict=True))
        return torch.stack([_errors(finite, candidate, size or max(columns, 1)) for candidate in candidates])

    least, most = minmax(x, size)
    low, high = search_clip(least, most, symmetric, errors)
    return torch.maximum(low, least), torch.minimum(high, most)


def entropy(x: Tensor, fmt: QFormat, symmetric: bool) -> Range:
    """The clip range of each row that loses least information (see :mod:`qdebug.quantize.ranges.entropy`)."""
    low, high = minmax(x)
    bins, most = (2 * _BINS, 2 * _BINS) if len(x) == 1 else (_BINS, _TRIED)
    reach = torch.maximum(-low, high)
    step = max(1, _AT_ONCE // max(x.shape[1], 2 * bins))
    kept = []
    for first in range(0, len(x), step):
        sides = _magnitudes(x[first : first + step], reach[first : first + step], bins)
        kept.append(entropy_limit(*sides, fmt.bits, symmetric, most))
    share = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *kept])).view(low.shape).double() / bins
    limit = torch.where(share < 1.0, reach * share, reach)  # all bins hold all values, whatever rounding says
    return torch.maximum(low, -limit), torch.minimum(high, limit)


def aciq(x: Tensor, density: Density, fmt: QFormat, symmetric: bool, size: int = 0) -> Range:
    """The clip range of each group by a model of its density (see :mod:`qdebug.quantize.ranges.aciq`)."""
    return _each(x, size, lambda part: _aciq_rows(part, density, fmt.bits, symmetric))


def octav(x: Tensor, fmt: QFormat, symmetric: bool, size: int = 0) -> Range:
    """The clip range of each group by OCTAV's recursion (see :mod:`.octav`), all groups at once."""
    columns = x.shape[1]
    if not columns:
        return minmax(x)
    size = min(size, columns) or columns
    finite = torch.nan_to_num(x.float(), nan=0.0, posinf=0.0, neginf=0.0).contiguous()
    padded = torch.nn.functional.pad(finite, (0, -columns % size)).view(len(x), -1, size)
    count = padded.count_nonzero(-1).double()
    return octav_range(lambda low, high: _tails(padded, low, high), count, minmax(x, size), fmt.bits, symmetric)


def _minmax_rows(x: Tensor) -> Range:
    if kernels is not None and x.dtype == torch.float32 and x.device.type == "cpu":
        limits = torch.empty(2, x.shape[0])
        kernels.row_ranges(x.detach().contiguous().numpy(), limits[0].numpy(), limits[1].numpy())
        low, high = limits[0], limits[1]
    else:
        finite = torch.nan_to_num(x.float(), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = finite.amin(1).clamp(max=0), finite.amax(1).clamp(min=0)
    return low.double(), high.double()


def _percentile_rows(x: Tensor, keep: float) -> Range:
    ordered = torch.where(torch.isfinite(x), x, torch.inf).sort(dim=1).values
    last = (torch.isfinite(x).sum(1) - 1).clamp(min=0).double()
    tail = (100.0 - keep) / 200.0

    def at(place: Tensor) -> Tensor:
        below = place.floor()
        pair = [ordered.gather(1, i.long().unsqueeze(1)).squeeze(1).double() for i in (below, place.ceil())]
        return torch.nan_to_num(pair[0] + (pair[1] - pair[0]) * (place - below), nan=0.0, posinf=0.0)

    return at(last * tail).clamp(max=0), at(last * (1.0 - tail)).clamp(min=0)


def _each(x: Tensor, size: int, function: Callable[[Tensor], Range]) -> Range:
    """``function`` of rows ``[n, c]``, applied to every group; ``[R, G]`` each."""
    count, columns = x.shape
    if not columns:
        return torch.zeros(count, 1, dtype=torch.float64), torch.zeros(count, 1, dtype=torch.float64)
    size = min(size, columns) or columns
    whole = columns // size * size
    parts = [function(x[:, :whole].reshape(-1, size))]
    if whole < columns:
        parts.append(function(x[:, whole:]))
    low, high = (torch.cat([side.view(count, -1) for side in sides], dim=1) for sides in zip(*parts, strict=True))
    return low, high


def _errors(x: Tensor, qparams: QParams, size: int) -> Tensor:
    """Sum of squared errors of each group of finite ``x [R, C]``; ``[R, G]`` float64."""
    low, high = qparams.qmin - qparams.zero_point, qparams.qmax - qparams.zero_point
    if kernels is not None and x.device.type == "cpu":
        out = torch.empty(qparams.scale.shape, dtype=torch.float64)
        scale, below, above = (part.contiguous().numpy() for part in (qparams.scale, low, high))
        kernels.group_errors(x.detach().numpy(), scale, below, above, size, out.numpy())
        return out
    columns, out = x.shape[1], []
    for g in range(groups(columns, size)):
        part, scale = x[:, g * size : (g + 1) * size], qparams.scale[:, g : g + 1]
        codes = torch.round(part / scale).clamp_(low[:, g : g + 1], high[:, g : g + 1])
        out.append((part - codes * scale).double().square_().sum(1))
    return torch.stack(out, dim=1)


def _magnitudes(x: Tensor, reach: Tensor, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the magnitudes above and below zero of each row, ``[R, bins]`` each, up to ``reach [R, 1]``."""
    values = torch.nan_to_num(x.double(), nan=0.0, posinf=0.0, neginf=0.0)
    place = (values.abs() / torch.where(reach > 0.0, reach, 1.0) * bins).long().clamp_(max=bins - 1)
    place += 2 * bins * torch.arange(len(x)).unsqueeze(1) + bins * (values < 0.0)
    counts = torch.bincount(place[values != 0.0], minlength=2 * bins * len(x)).view(len(x), 2, bins).numpy()
    return counts[:, 0], counts[:, 1]


def _aciq_rows(x: Tensor, density: Density, bits: int, symmetric: bool) -> Range:
    sums = [_moments(part, density) for part in x.split(max(1, _AT_ONCE // max(x.shape[1], 1)))]
    low, high, mean, about_mean, about_zero, off_zero = torch.cat(sums, dim=1)
    return aciq_range(density, bits, symmetric, (low, high), mean, (about_mean, about_zero, off_zero))


def _moments(x: Tensor, density: Density) -> Tensor:
    """Limits, mean and the three spreads of each row's finite values (see :func:`aciq_range`); ``[6, R]`` float64."""
    finite = torch.isfinite(x)
    values = torch.where(finite, x.double(), 0.0)
    count = finite.sum(1).clamp(min=1)
    filled = values.count_nonzero(1).clamp(min=1)
    mean = values.sum(1) / count
    off = torch.where(finite, values - mean.unsqueeze(1), 0.0)
    if density == "laplace":
        about_mean, total = off.abs().sum(1) / count, values.abs().sum(1)
        spreads = [about_mean, total / count, total / filled]
    else:
        total = values.square().sum(1)
        spreads = [(off.square().sum(1) / count).sqrt(), (total / count).sqrt(), (total / filled).sqrt()]
    return torch.stack([values.amin(1), values.amax(1), mean, *spreads])


def _tails(x: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What lies beyond limits ``[R, G]`` in finite ``x [R, G, size]``: see :data:`.octav.Tails`."""
    if kernels is not None and x.device.type == "cpu":
        out = torch.empty(4, *low.shape, dtype=torch.float64)
        kernels.group_tails(x.detach().numpy(), low.contiguous().numpy(), high.contiguous().numpy(), out.numpy())
        return out[0], out[1], out[2], out[3]
    parts = []
    step = max(1, _AT_ONCE // max(x[:1].numel(), 1))
    for first in range(0, len(x), step):
        values = x[first : first + step].double()
        under = (low[first : first + step].unsqueeze(-1) - values).clamp_(min=0.0)
        over = (values - high[first : first + step].unsqueeze(-1)).clamp_(min=0.0)
        parts.append(torch.stack([(under > 0.0).sum(-1), under.sum(-1), (over > 0.0).sum(-1), over.sum(-1)]))
    return tuple(torch.cat(parts, dim=1).unbind())
