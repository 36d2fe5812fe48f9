"""Two quantized models against each other on the same samples, with the float model as the judge where none else is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from qdebug.measure.compare import NO_ERROR_DB, compare, powers
from qdebug.measure.directions import cosine_difference
from qdebug.measure.intervals import ratio, wilson
from qdebug.measure.predictions import Predictions
from qdebug.measure.scores import TO_FLOAT, changed_classes, score_difference, to_float
from qdebug.measure.significance import LEVEL, holm, paired_ratio
from qdebug.measure.subgroups import Partition, no_change, part
from qdebug.results import GroupDifference, PairedDifference

Levels = NDArray[np.float64] | None


def versus(float_: Predictions, one: Predictions, two: Predictions, task: str) -> PairedDifference:
    """The metric of ``two`` minus that of ``one``, with a paired interval and a p of no difference.

    Labelled tasks have the intervals of :func:`~qdebug.measure.compare` and the tests of
    :func:`~qdebug.measure.subgroups`. Without labels the float model's answer is the right one: both are judged by
    their agreement with it. Outputs that are no class scores are compared by SQNR; the interval of the difference is
    that of the ratio of both errors (Cochran 1977, section 6.4), symmetric in decibels.
    """
    return _versus(float_, one, two, task)[0]


def versus_groups(
    float_: Predictions, one: Predictions, two: Predictions, task: str, partitions: Sequence[Partition]
) -> tuple[GroupDifference, ...]:
    """:func:`versus` for every part of every partition; the p of all rows are adjusted together (:func:`~.holm`)."""
    rows: list[GroupDifference] = []
    levels: list[Levels] = []
    for partition in partitions:
        for index, name in enumerate(partition.names):
            base, before, after = (part(side, partition, index) for side in (float_, one, two))
            found, steps = _versus(base, before, after, task)
            rows.append(GroupDifference(key=partition.key, name=name, difference=found, significant=False))
            levels.append(steps)
    tested = [place for place, row in enumerate(rows) if row.difference.p is not None]
    adjusted = holm([rows[at].difference.p or 0.0 for at in tested], [levels[at] for at in tested]) if tested else ()
    for at, p in zip(tested, map(float, adjusted), strict=True):
        row = rows[at]
        difference = msgspec.structs.replace(row.difference, p=p)
        rows[at] = msgspec.structs.replace(row, difference=difference, significant=p <= LEVEL)
    return tuple(rows)


def judged(float_: Predictions, found: Predictions) -> tuple[Predictions, str]:
    """Predictions without labels, right where the float model says the same, and the task to score them as.

    One prediction a sample is a classification. Several are clusters of one sample, as pixels of an image are.
    """
    assert float_.top1 is not None and found.top1 is not None
    correct = found.top1 == float_.top1
    each = len(correct) // max(found.samples, 1)
    if each == 1:
        return replace(found, task="classification", correct=correct), "classification"
    targets = np.full(found.samples, each, dtype=np.int64)
    return replace(found, task="segmentation", correct=correct, targets=targets), "segmentation"


def _versus(float_: Predictions, one: Predictions, two: Predictions, task: str) -> tuple[PairedDifference, Levels]:
    if not float_.samples == one.samples == two.samples:
        raise ValueError(f"{one.samples} and {two.samples} samples against {float_.samples}")
    if one.scores is not None and two.scores is not None and one.metric is not None:
        return score_difference(one.scores, two.scores, one.metric, _changed(one, two)), None
    if float_.values is not None and task == "drift":
        errors = to_float(float_, one), to_float(float_, two)
        return score_difference(*errors, TO_FLOAT, _changed(one, two)), None
    if float_.values is not None and task == "embedding":
        return cosine_difference(float_.values, np.asarray(one.values), np.asarray(two.values)), None
    if float_.values is not None:
        return _decibels(float_, one, two), None
    if one.correct is None:
        return _agreement(float_, one, two)
    metric = compare(one, two, task)
    p, levels = no_change(one, two, task)
    before, after = np.asarray(one.correct), np.asarray(two.correct)
    return PairedDifference(
        name=metric.name, a=metric.float_, b=metric.quantized, delta=metric.delta, ci95=metric.ci95, p=p,
        lost=int((before & ~after).sum()), gained=int((after & ~before).sum()), changed=metric.flips,
        predictions=metric.predictions, n=metric.n, higher_is_better=metric.higher_is_better,
    ), levels  # fmt: skip


def _changed(one: Predictions, two: Predictions) -> tuple[int, int]:
    """How many answers differ, and how many there are; of outputs that are no class scores samples."""
    if one.values is None or two.values is None:
        return changed_classes(one, two)
    first, second = (side.values.reshape(side.samples, -1) for side in (one, two) if side.values is not None)
    return int((first != second).any(1).sum()), one.samples


def _agreement(float_: Predictions, one: Predictions, two: Predictions) -> tuple[PairedDifference, Levels]:
    """By agreement with the float model. Where one side agrees in all, so it is by definition: the other loses."""
    (before, task), (after, _) = judged(float_, one), judged(float_, two)
    found, levels = _versus(float_, before, after, task)
    low, high = found.ci95
    ends = bool(np.asarray(before.correct).all()), bool(np.asarray(after.correct).all())
    if ends == (True, False):
        low, high = _fall(found, found.lost, low, task)
    elif ends == (False, True):
        high, low = (-end for end in _fall(found, found.gained, -high, task))
    p = None if any(ends) else found.p
    return msgspec.structs.replace(found, name="agreement", ci95=(low, high), p=p), levels


def _fall(found: PairedDifference, lost: int, low: float, task: str) -> tuple[float, float]:
    """The interval where one side agrees in all, as :func:`~qdebug.measure.compare` has it of the float model."""
    if task != "classification":
        return low, 0.0
    share = wilson(found.predictions - lost, found.predictions)
    return share[0] - 1.0, share[1] - 1.0


def _decibels(float_: Predictions, one: Predictions, two: Predictions) -> PairedDifference:
    """By SQNR: what is compared is the energy of both errors, sample by sample."""
    base, first, second = (np.asarray(found.values) for found in (float_, one, two))
    signal, before = powers(base, first)
    after = powers(base, second)[1]
    alone = [compare(float_, found, "unlabelled") for found in (one, two)]
    a, b = (metric.quantized for metric in alone)
    if before.sum() > 0 and after.sum() > 0 and signal.sum() > 0:
        value, half = ratio(after, before)
        delta, spread = -10 * math.log10(value), 10 / math.log(10) * half / value
        low, high = delta - spread, delta + spread
        p = paired_ratio(after - before, np.ones_like(before))
    else:  # one side, or both, without any error: all there is to say is the other's own interval
        delta, p = b - a, None
        low, high = alone[1].ci95 if before.sum() == 0 else (-alone[0].ci95[1], -alone[0].ci95[0])
    most = 2 * NO_ERROR_DB
    return PairedDifference(
        name="sqnr_db", a=a, b=b, delta=delta, ci95=(max(low, -most), min(high, most)), p=p,
        lost=int((after > before).sum()), gained=int((after < before).sum()),
        changed=int((first.reshape(len(first), -1) != second.reshape(len(second), -1)).any(1).sum()),
        predictions=one.samples, n=one.samples, higher_is_better=True,
    )  # fmt: skip
