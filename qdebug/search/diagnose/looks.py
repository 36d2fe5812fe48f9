"""Looking at a damaged place: the evidence, gathered from the tensor itself and from its local error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qdebug.calibrate import ActivationStats
from qdebug.engine import Batch
from qdebug.formats import find
from qdebug.measure import SplitAccumulator, error_split
from qdebug.quantize import dynamic_grid, fake_quantize_activation, is_dynamic, quantize_weight
from qdebug.results import ErrorSplit
from qdebug.search.diagnose.places import Bench, Place
from qdebug.search.diagnose.tensors import Channels, Reach, by_channel, by_input, by_output, channels, reach

_BODY = 0.9
"""The part of a weight's channel that is its body: channels may have few values."""


@dataclass(frozen=True)
class Look:
    """What a place looks like.

    Attributes:
        place: which.
        error: its isolated error.
        values: how far they go; of an activation on evaluation data.
        calibrated: the same on calibration data; None of a weight.
        rmin, rmax: limits of all calibration data; of a weight its own.
        outputs, inputs: how unequal its channels are; a weight has both, an activation those of its own as ``outputs``.
        split: its error in clipping and rounding.
        bias: the part of the layer's squared output error that is a shift of channels' means.
    """

    place: Place
    error: float
    values: Reach
    calibrated: Reach | None
    rmin: float
    rmax: float
    outputs: Channels
    inputs: Channels | None
    split: ErrorSplit
    bias: float

    @property
    def bits(self) -> int:
        """Bits of the format; 32 of float32."""
        return int(find(self.place.plan.format).bits)

    @property
    def clipped(self) -> float:
        """The part of the tensor's squared error that is clipping."""
        return self.split.clipping_mse / self.split.mse if self.split.mse > 0 else 0.0

    def evidence(self) -> dict[str, Any]:
        """The numbers, by names that say what they are."""
        worst = max((one for one in (self.outputs, self.inputs) if one), key=lambda one: one.body)
        found: dict[str, Any] = {
            "format": self.place.plan.label, "sqnr_db": self.split.sqnr_db, "isolated_error": _finite(self.error),
            "clipping_share": self.clipped, "clipping_rate": self.split.clipping_rate,
            "clip_min": _finite(self.split.clip_min), "clip_max": _finite(self.split.clip_max),
            "rmin": self.rmin, "rmax": self.rmax,
            "ordinary_min": self.values.low, "ordinary_max": self.values.high,
            "channels": worst.count, "outlier_channels": len(worst.outliers), "widest_over_median": worst.widest,
            "dead_channels": self.outputs.dead, "mean_shift_share": self.bias,
        }  # fmt: skip
        if self.place.operator:
            found["operator"] = self.place.operator
        if self.values.extreme or self.values.nan or self.values.inf:
            found |= {"extreme": self.values.extreme, "nan": self.values.nan, "inf": self.values.inf}
        if self.calibrated is not None:
            found |= {"evaluation_min": self.values.rmin, "evaluation_max": self.values.rmax}
        return found


def look(bench: Bench, place: Place, error: float) -> Look:
    """Look at a place."""
    if place.side == "weight":
        return _weight(bench, place, error)
    return _activation(bench, place, error)


def _weight(bench: Bench, place: Place, error: float) -> Look:
    layer, plan = place.layer, place.plan
    assert layer is not None
    weight = bench.reference.constant(layer.weight, bench.subject.engine.cache)
    stored = bench.subject.program.stored.get(layer.weight)
    quantized, grid = quantize_weight(weight, plan, layer.out_axis, grid=stored)
    values = reach(weight)
    inputs = None if layer.is_depthwise else channels(by_input(weight, layer.in_axis), _BODY)
    return Look(
        place, error, values, None, values.rmin, values.rmax, channels(by_output(weight, layer.out_axis), _BODY),
        inputs, error_split(weight, quantized, grid, plan, layer.out_axis), _bias(bench, place),
    )  # fmt: skip


def _activation(bench: Bench, place: Place, error: float) -> Look:
    index = place.layer.x if place.layer else place.step
    seen = values_of(bench, index, bench.subject.eval_batches[0])
    axis = place.layer.channel_axis if place.layer else 1 if seen.dim() > 3 else -1
    calibrated = values_of(bench, index, bench.subject.calib_batches[0])
    low, high = float(calibrated.min()), float(calibrated.max())
    if place.layer is not None:
        stats: ActivationStats = bench.session.preparer.stats(bench.reference.overlay, place.layer, bench.work)
        low, high = stats.low, stats.high
    return Look(
        place, error, reach(seen), reach(calibrated), low, high, channels(by_channel(seen, axis)), None,
        _split(bench, place, seen, axis), _bias(bench, place),
    )  # fmt: skip


def values_of(bench: Bench, index: int, batch: Batch) -> Tensor:
    """A step's float values on a batch."""
    found = bench.subject.engine.values(bench.reference, batch, (index,), bench.work)[index]
    return batch.real_rows(found)


def _split(bench: Bench, place: Place, x: Tensor, axis: int) -> ErrorSplit:
    """The error of an activation in clipping and rounding."""
    sheet = bench.sheet_of(place, place.plan)
    quant = sheet.quants[place.step] if place.layer else sheet.points[place.step]
    grid = dynamic_grid(x, place.plan, axis) if is_dynamic(place.plan) else quant.activation
    quantized = fake_quantize_activation(x, place.plan, grid, axis)
    if find(place.plan.format).own_blocks:
        x, quantized = (values.movedim(axis, -1) for values in (x, quantized))
    split = SplitAccumulator(place.plan)
    split.add(x, quantized, grid)
    return split.finish()


def _bias(bench: Bench, place: Place) -> float:
    """The part of the local squared output error that the means of channels make."""
    if place.layer is None:
        return 0.0
    batch, step = bench.subject.eval_batches[0], place.layer.step
    engine = bench.subject.engine
    sheet = bench.sheet_of(place, place.plan)
    change = engine.values(sheet, batch, (step,), bench.work)[step] - values_of(bench, step, batch)
    rows = by_channel(batch.real_rows(change).double(), place.layer.channel_axis)
    total = float(rows.square().mean())
    share = float(rows.mean(1).square().mean()) / total if total > 0 else 0.0
    return share if math.isfinite(share) else 0.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
