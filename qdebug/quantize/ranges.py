"""Ranges of rows and groups, exactly from the data: min-max, percentile, MSE-optimal.

All take finite values or not: NaN and ±Inf never set a range. Results are float64 and hold zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qdebug.formats import QFormat
from qdebug.quantize.layout import groups
from qdebug.quantize.qparams import QParams, choose_qparams
from qdebug.quantize.rounding import kernels
from qdebug.quantize.search import search_clip

Range = tuple[Tensor, Tensor]


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

    return search_clip(*minmax(x, size), symmetric, errors)


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
