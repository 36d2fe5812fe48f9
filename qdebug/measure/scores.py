"""Metrics that give every sample a number of its own: squared errors, or what somebody's own function says."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.errors import DataError
from qdebug.measure.intervals import ratio
from qdebug.measure.predictions import Predictions
from qdebug.measure.significance import paired_ratio
from qdebug.results import Metric, PairedDifference

WORST_ERROR = float(np.finfo(np.float32).max)
"""The squared error (3.4e38) that stands for one of an output with a NaN or an Inf."""
_TOGETHER = 1 << 22
"""Values that are looked at together in float64."""
_MOST = sys.float_info.max

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Named:
    """What a metric is called that the task leaves open.

    Attributes:
        name: as results have it.
        higher_is_better: whether a fall is a loss.
        unit: of its values; empty where they have none.
    """

    name: str
    higher_is_better: bool = True
    unit: str = ""


MSE = Named("mse", higher_is_better=False)
TO_FLOAT = Named("mse_to_float", higher_is_better=False)


def squared_errors(output: Tensor, target: Tensor) -> Scores:
    """The mean squared difference from a target, for each sample, in float64.

    Args:
        output: ``[N, …]``.
        target: of the same shape.

    Returns:
        ``[N]``; :data:`WORST_ERROR` where an output holds a NaN or an Inf.

    Raises:
        DataError: the shapes differ.
    """
    if output.shape != target.shape:
        raise DataError(
            "The targets do not fit the model's output",
            shape=list(target.shape),
            do=f"They must be {list(output.shape)}.",
        )
    one, two = output.detach().reshape(len(output), -1), target.reshape(len(target), -1)
    if not one.shape[1]:
        return np.zeros(len(one))
    step = max(1, _TOGETHER // one.shape[1])
    parts = [(a.double() - b.double()).square().mean(1) for a, b in zip(one.split(step), two.split(step), strict=True)]
    found = torch.cat(parts).cpu().numpy()
    return np.where(np.isfinite(found), np.minimum(found, WORST_ERROR), WORST_ERROR)


def scored(found: Predictions, scores: Scores, metric: Named) -> Predictions:
    """Predictions that are judged by a number for each sample.

    Args:
        found: what was predicted, which flips are counted of.
        scores: float64 ``[N]``, finite.
        metric: what they are.
    """
    return replace(found, scores=scores, metric=metric)


def to_float(float_: Predictions, other: Predictions) -> Scores:
    """The mean squared difference of whole outputs from the float model's, ``[N]``."""
    pair = (torch.from_numpy(np.ascontiguousarray(np.asarray(one.values))) for one in (other, float_))
    return squared_errors(*pair)


def score_metric(one: Predictions, two: Predictions) -> Metric:
    """The mean score of two models on the same samples: intervals are Student's, that of the change is paired.

    Flips are changed top-1 classes, where the output is class scores.
    """
    before, after = np.asarray(one.scores), np.asarray(two.scores)
    named = one.metric
    assert named is not None
    flips, predictions = changed_classes(one, two)
    return _metric(named, before, after, flips, predictions, one.samples)


def drift_metric(one: Predictions, two: Predictions) -> Metric:
    """The mean squared difference from the float model's output, which is 0 for that model itself."""
    errors = to_float(one, two)
    values = np.asarray(one.values)
    values = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    found = _metric(TO_FLOAT, np.zeros(len(errors)), errors, 0, 0, one.samples)
    low, high = (max(0.0, end) for end in found.ci95)
    power = float(np.square(values).mean()) if values.size else 0.0
    return Metric(
        name=found.name, float_=0.0, quantized=found.quantized, delta=found.delta, ci95=(low, high),
        quantized_ci95=(low, high), flips=0, n=found.n, predictions=0, agreement=1.0, higher_is_better=False,
        power=power,
    )  # fmt: skip


def score_difference(one: Scores, two: Scores, named: Named, changed: tuple[int, int]) -> PairedDifference:
    """Two models by their scores on the same samples, second minus first.

    Args:
        one: the first's, ``[N]``.
        two: the second's.
        named: what they are.
        changed: how many answers differ, and how many there are.
    """
    delta, low, high = _interval(two - one)
    sign = 1.0 if named.higher_is_better else -1.0
    gain = sign * (two - one)
    return PairedDifference(
        name=named.name, a=float(one.mean()), b=float(two.mean()), delta=delta, ci95=(low, high),
        p=paired_ratio(two - one, np.ones(len(one))), lost=int((gain < 0).sum()), gained=int((gain > 0).sum()),
        changed=changed[0], predictions=changed[1], n=len(one), higher_is_better=named.higher_is_better,
    )  # fmt: skip


def changed_classes(one: Predictions, two: Predictions) -> tuple[int, int]:
    """How many predictions changed, and how many there are; 0 of 0 where the output is no class scores.

    A prediction has changed where its most probable class has, or where the metric, such as the top-5, counts it right
    of one model alone.
    """
    if one.top1 is None or two.top1 is None:
        return 0, 0
    return int(changed_at(one, two).sum()), len(one.top1)


def changed_at(one: Predictions, two: Predictions) -> NDArray[np.bool_]:
    """Where predictions changed, bool ``[P]``; see :func:`changed_classes`."""
    changed: NDArray[np.bool_] = np.asarray(one.top1) != np.asarray(two.top1)
    if one.correct is not None and two.correct is not None:
        changed = changed | (one.correct != two.correct)
    return changed


def _metric(named: Named, before: Scores, after: Scores, flips: int, predictions: int, n: int) -> Metric:
    value, low, high = _interval(after)
    delta, least, most = _interval(after - before)
    return Metric(
        name=named.name, float_=float(before.mean()) if len(before) else 0.0, quantized=value, delta=delta,
        ci95=(least, most), quantized_ci95=(low, high), flips=flips, n=n, predictions=predictions,
        agreement=1.0 - flips / predictions if predictions else 1.0, higher_is_better=named.higher_is_better,
        unit=named.unit,
    )  # fmt: skip


def _interval(values: Scores) -> tuple[float, float, float]:
    """A mean and the ends of its interval; of one sample the ends are the largest numbers there are."""
    if not len(values):
        return 0.0, -_MOST, _MOST
    value, half = ratio(values, np.ones(len(values)))
    if math.isinf(half):
        return value, -_MOST, _MOST
    return value, value - half, value + half
