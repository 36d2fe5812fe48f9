"""What a tensor looks like: the numbers that tell one cause from another. Measures, and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.measure.findings import EXTREME
from qdebug.quantize import rows

_FEW = 0.02
"""So small a part of the values are few: the rest is the body of a distribution."""
_REACH = 4.0
"""A value so many times beyond the body is far from it."""


@dataclass(frozen=True)
class Channels:
    """How unequal the channels of a tensor are.

    Attributes:
        widest: the widest channel's largest magnitude over the median channel's.
        body: the same of the magnitudes that few values of a channel exceed.
        outliers: channels whose body is more than four times the median's.
        constant: of those, how many have a single value.
        dead: channels that are zero throughout.
        count: channels.
    """

    widest: float
    body: float
    outliers: tuple[int, ...]
    constant: int
    dead: int
    count: int


def channels(matrix: Tensor, share: float = 1 - _FEW) -> Channels:
    """Of a matrix with one row per channel; values without a meaning as numbers are left out.

    Args:
        matrix: ``[channels, values]``.
        share: how much of a channel is its body.
    """
    x = torch.nan_to_num(matrix.float(), nan=0.0, posinf=0.0, neginf=0.0)
    peak, body = x.abs().amax(1), _quantile(x.abs(), share)
    alive = peak > 0
    typical = float(body[alive].median()) if bool(alive.any()) else 0.0
    widest = float(peak[alive].median()) if bool(alive.any()) else 0.0
    far = body > _REACH * typical if typical > 0 else torch.zeros_like(alive)
    still = far & (x.amax(1) == x.amin(1))
    return Channels(
        widest=float(peak.max()) / widest if widest > 0 else 0.0,
        body=float(body.max()) / typical if typical > 0 else 0.0,
        outliers=tuple(far.nonzero().view(-1).tolist()), constant=int(still.sum()),
        dead=int((~alive).sum()), count=len(x),
    )  # fmt: skip


@dataclass(frozen=True)
class Reach:
    """How far a tensor's values go.

    Attributes:
        low, high: the limits of the ordinary values, zero included: those within four times the body's.
        rmin, rmax: of all finite values.
        body: the magnitude that few values exceed.
        far: the part of the values beyond the ordinary ones.
        extreme: how many have a magnitude that no signal has.
        nan, inf: how many are none.
    """

    low: float
    high: float
    rmin: float
    rmax: float
    body: float
    far: float
    extreme: int
    nan: int
    inf: int

    @property
    def stretch(self) -> float:
        """How many times wider the limits of all values are than those of the ordinary ones."""
        width = self.high - self.low
        return (max(self.rmax, 0.0) - min(self.rmin, 0.0)) / width if width > 0 else 1.0


def reach(values: Tensor) -> Reach:
    """Of any tensor."""
    x = values.float().flatten()
    nan, inf = int(torch.isnan(x).sum()), int(torch.isinf(x).sum())
    finite = x[torch.isfinite(x)] if nan or inf else x
    if not finite.numel():
        return Reach(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, nan, inf)
    size = finite.abs()
    signal = size < EXTREME
    ordinary = finite[signal]
    filled = size[signal & (size > 0)]
    body = float(_quantile(filled.view(1, -1), 1 - _FEW)[0]) if filled.numel() else 0.0
    near = ordinary[ordinary.abs() <= _REACH * body] if body > 0 else ordinary
    low, high = (float(near.min()), float(near.max())) if near.numel() else (0.0, 0.0)
    return Reach(
        low=min(low, 0.0), high=max(high, 0.0), rmin=float(finite.min()), rmax=float(finite.max()), body=body,
        far=1 - near.numel() / finite.numel(), extreme=int((~signal).sum()), nan=nan, inf=inf,
    )  # fmt: skip


def by_input(weight: Tensor, axis: int) -> Tensor:
    """A weight with one row per input channel."""
    return weight.movedim(axis, 0).flatten(1)


def by_output(weight: Tensor, axis: int) -> Tensor:
    """A weight with one row per output channel."""
    return rows(weight, axis)


def by_channel(values: Tensor, axis: int) -> Tensor:
    """An activation with one row per channel."""
    return values.movedim(axis, 0).flatten(1)


def _quantile(x: Tensor, share: float) -> Tensor:
    """The smallest value of each row that at least that share of the row does not exceed."""
    rank = min(x.shape[1], max(1, round(share * x.shape[1])))
    return x.kthvalue(rank, dim=1).values
