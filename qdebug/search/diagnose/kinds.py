"""Which cause a damaged place shows. Decides; what it decides from is measured elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec

from qdebug.formats import FP16, find
from qdebug.measure.findings import EXTREME
from qdebug.recipes import TensorPlan
from qdebug.recipes.check import range_methods
from qdebug.recipes.plan import ChosenRange
from qdebug.results.diagnosis import CauseKind
from qdebug.search.diagnose.looks import Look

_OVERFLOW = 65520.0
"""The smallest magnitude that becomes infinite in binary16."""
_FAR = 3.0
"""Ranges whose widths differ by more than this are not of the same data."""
_MUCH = 0.5
"""What another plan has to take off the error, to be the reason for it."""

Try = Callable[[TensorPlan], float]
"""The isolated error of the same place under another plan."""


def kind_of(look: Look, alone: Try) -> CauseKind:
    """The cause that explains most of what a place does.

    First what is plain to see (values that no format holds), then what another plan would take away, then the shape of
    the tensor; what is left has too few bits.

    Args:
        look: what the place looks like.
        alone: its isolated error under another plan.
    """
    for rule in (_plain, _clipped, _strange, _shaped):
        found = rule(look, alone)
        if found is not None:
            return found
    if look.place.side == "output" and look.bits >= 8:
        return "coarse-values"
    return "too-few-bits"


def _plain(look: Look, _: Try) -> CauseKind | None:
    """Values that no plan of this format holds."""
    values, plan = look.values, look.place.plan
    largest = max(-look.rmin, look.rmax, -values.rmin, values.rmax)
    if values.nan:
        return "nan"
    if values.inf:
        return "inf"
    if find(plan.format) is FP16 and largest >= _OVERFLOW:
        return "extreme-constant" if largest >= EXTREME else "fp16-overflow"
    return "extreme-constant" if largest >= EXTREME and plan.clip is None else None


def _clipped(look: Look, alone: Try) -> CauseKind | None:
    """A range that is too narrow: because of who chose it, or because of what it was chosen on."""
    plan = look.place.plan
    if look.clipped <= 0.5 or look.split.clipping_rate <= 1e-6:
        return None
    chosen = plan.clip is not None or plan.range not in ("minmax", "stored")
    wide = msgspec.structs.replace(plan, clip=None, range="minmax") if chosen else plan
    if chosen and alone(wide) < _MUCH * look.error:
        return "tight-range"
    if look.calibrated is not None and look.values.rmax - look.values.rmin > 1.2 * (look.rmax - look.rmin):
        return "calibration-mismatch"
    return "tight-range" if chosen and look.place.plan.clip is not None else None


def _strange(look: Look, _: Try) -> CauseKind | None:
    """A range chosen on data that are unlike those it is used on."""
    if look.calibrated is None or look.place.plan.clip is not None or look.values.body <= 0:
        return None
    if look.calibrated.body > _FAR * look.values.body:
        return "calibration-mismatch"
    return None


def _shaped(look: Look, alone: Try) -> CauseKind | None:
    """What the shape of the distribution explains."""
    plan, weight = look.place.plan, look.place.side == "weight"
    if plan.rounding in ("floor", "half_away") and _helps(look, alone, [_to_nearest(plan)]):
        return "biased-error"
    shared = plan.granularity in ("tensor", "channel", "group", "block") and not find(plan.format).is_cast
    if not shared:
        return None
    uneven = [one for one in ((look.outputs,) if not look.inputs else (look.outputs, look.inputs)) if one.outliers]
    if plan.granularity != "tensor":
        uneven = [one for one in uneven if one is look.inputs]
    if weight and uneven and _helps(look, alone, _finer(plan)):
        return "uneven-weights"
    if not weight and look.outputs.outliers:
        still = look.outputs.constant
        return "dead-channels" if still == len(look.outputs.outliers) else "outlier-channels"
    if _stretch(look) > 2 and any(alone(one) < _MUCH * look.error for one in narrower(look)):
        return "stretched-range"
    if look.bias > 0.5:
        return "biased-error"
    return None


def _stretch(look: Look) -> float:
    """How many times the range is wider than the ordinary values need it to be."""
    width = look.values.high - look.values.low
    return (look.split.clip_max - look.split.clip_min) / width if width > 0 else 1.0


def narrower(look: Look) -> list[TensorPlan]:
    """Plans with a range that leaves out a few values, as far as the format and granularity allow."""
    plan, allowed = look.place.plan, range_methods(look.place.plan)
    plain = msgspec.structs.replace(plan, clip=None)
    found = [msgspec.structs.replace(plain, range="minmax")] if plan.clip is not None else []
    found += [
        msgspec.structs.replace(plain, range=method, percentile=percentile)
        for method, percentile in (("mse", 99.99), ("percentile", 99.99), ("percentile", 99.9))
        if method in allowed and method in get_args(ChosenRange)
    ]
    if look.values.low < look.values.high and "mse" in allowed:
        limits = look.values.low, look.values.high
        found.append(msgspec.structs.replace(plain, range="minmax", clip=limits))
    return found


def _to_nearest(plan: TensorPlan) -> TensorPlan:
    return msgspec.structs.replace(plan, rounding="half_even")


def _finer(plan: TensorPlan) -> list[TensorPlan]:
    """Plans with more scales."""
    channel = msgspec.structs.replace(plan, granularity="channel", group_size=0, block=None)
    group = msgspec.structs.replace(plan, granularity="group", group_size=32, block=None)
    if plan.range == "entropy":
        group = msgspec.structs.replace(group, range="minmax")
    if find(plan.format).own_blocks:
        return []
    return [channel, group] if plan.granularity == "tensor" else [group]


def _helps(look: Look, alone: Try, plans: list[TensorPlan]) -> bool:
    return any(alone(plan) < _MUCH * look.error for plan in plans)
