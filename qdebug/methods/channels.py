"""What calibration data say of a value's channels: their ends, their mean and how far they spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, Sheet, Work


@dataclass(frozen=True)
class Channels:
    """Of each channel, over all samples and places; float64 ``[C]``."""

    low: Tensor
    high: Tensor
    mean: Tensor
    deviation: Tensor

    @property
    def magnitude(self) -> Tensor:
        """The largest magnitude."""
        return torch.maximum(self.low.abs(), self.high.abs())


class _Sum:
    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def add(self, value: Tensor, axis: int) -> None:
        rows = value.movedim(axis, 0).flatten(1)
        variance, mean = torch.var_mean(rows, 1, correction=0)
        low, high = torch.aminmax(rows, dim=1)
        self._parts.append(torch.stack([low.double(), high.double(), mean.double(), variance.double()]))

    def channels(self, weights: Tensor) -> Channels:
        """Batches of different sizes put together; ``weights`` are their shares."""
        low, high, mean, variance = torch.stack(self._parts, 1)
        share = weights.view(-1, 1)
        whole = (mean * share).sum(0)
        spread = ((variance + (mean - whole).square()) * share).sum(0)
        return Channels(low.amin(0), high.amax(0), whole, spread.sqrt())


def channels_of(
    engine: Engine, sheet: Sheet, axes: Mapping[int, int], batches: Iterable[Batch], work: Work
) -> dict[int, Channels]:
    """Look at some values in one pass.

    Args:
        engine: runs the sheet.
        sheet: the float model.
        axes: the axis of channels in each value, by step.
        batches: calibration data.
        work: progress and cancel.
    """
    found = {step: _Sum() for step in axes}
    counts: list[int] = []
    for batch in batches if axes else ():
        engine.visit(
            sheet, batch, axes, lambda step, value, b=batch: found[step].add(b.real_rows(value), axes[step]), work,
            remember=False,
        )  # fmt: skip
        counts.append(batch.count)
    shares = torch.tensor(counts, dtype=torch.float64)
    return {step: one.channels(shares / shares.sum()) for step, one in found.items()}
