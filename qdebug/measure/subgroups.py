"""The metric by class and by group, float against quantized, with what chance alone would explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from qdebug.measure.compare import compare, output_sqnr_db, paired_sums
from qdebug.measure.predictions import Predictions
from qdebug.measure.significance import LEVEL, attainable, holm, mcnemar, paired_ratio
from qdebug.results import Subgroup
from qdebug.results.subgroups import Key


@dataclass(frozen=True, eq=False, slots=True)
class Partition:
    """Which part each sample or each prediction is in.

    Attributes:
        key: ``class`` or ``group``.
        names: the parts' names.
        of: int ``[N]``, each sample's part; or ``[P]``, each prediction's, where ``by_prediction``.
        by_prediction: what is parted.
    """

    key: Key
    names: tuple[str, ...]
    of: NDArray[np.signedinteger]
    by_prediction: bool = False


def subgroups(
    float_: Predictions, quantized: Predictions, task: str, partitions: Sequence[Partition]
) -> tuple[Subgroup, ...]:
    """Every part of every partition, each with its metric, its interval and its p.

    A row's interval is that of :func:`~qdebug.measure.compare` on its samples. Its p is that of no change: McNemar's
    exact test for accuracies, a paired t over sequences for perplexities and over images for pixels. All rows are
    corrected together (:func:`~.holm`). Agreement and SQNR are losses by definition: any change is one, and p is None.
    """
    rows: list[Subgroup] = []
    raw: list[float] = []
    levels: list[NDArray[np.float64] | None] = []
    for partition in partitions:
        for index, name in enumerate(partition.names):
            pair = part(float_, partition, index), part(quantized, partition, index)
            metric = compare(*pair, task)
            p, steps = no_change(*pair, task)
            rows.append(
                Subgroup(
                    key=partition.key, name=name, n=metric.n, float_=metric.float_, quantized=metric.quantized,
                    delta=metric.delta, ci95=metric.ci95, flips=metric.flips, predictions=metric.predictions, p=p,
                    significant=False, output_db=output_sqnr_db(*pair),
                )
            )  # fmt: skip
            if p is not None:
                raw.append(p)
                levels.append(steps)
    if len(raw) != len(rows):
        return tuple(rows)
    adjusted = holm(raw, levels)
    return tuple(_judged(row, float(p)) for row, p in zip(rows, adjusted, strict=True))


def _judged(row: Subgroup, p: float) -> Subgroup:
    return msgspec.structs.replace(row, p=p, significant=p <= LEVEL)


def no_change(one: Predictions, two: Predictions, task: str) -> tuple[float | None, NDArray[np.float64] | None]:
    """The p of no change between two models on the same samples, and the values it can have; None where none fits."""
    if task == "classification" and one.correct is not None and one.scores is None:
        before, after = np.asarray(one.correct), np.asarray(two.correct)
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        return mcnemar(gained, lost), attainable(gained + lost)
    sums = paired_sums(one, two, task)
    if sums is None:
        return None, None
    before, after, weight = sums
    return paired_ratio(after - before, weight), None


def part(found: Predictions, partition: Partition, index: int) -> Predictions:
    """The predictions of one part."""
    kept = partition.of == index
    if partition.by_prediction:
        sample = np.repeat(np.arange(found.samples), np.asarray(found.targets))[kept]
        targets = np.bincount(sample, minlength=found.samples)
        targets = targets[targets > 0]
        return _pick(found, kept, None, targets, len(targets))
    held = None
    if found.top1 is not None:
        many = len(found.top1) // max(found.samples, 1)
        held = np.repeat(kept, many if found.targets is None else found.targets)
    targets = None if found.targets is None else found.targets[kept]
    return _pick(found, held, kept, targets, int(kept.sum()))


def _pick(
    found: Predictions, predictions: NDArray[np.bool_] | None, samples: NDArray[np.bool_] | None,
    targets: NDArray[np.int64] | None, count: int,
) -> Predictions:  # fmt: skip
    """Some predictions, and some samples, of all."""
    return replace(
        found,
        top1=None if found.top1 is None or predictions is None else found.top1[predictions],
        correct=None if found.correct is None or predictions is None else found.correct[predictions],
        loss=None if found.loss is None or samples is None else found.loss[samples],
        values=None if found.values is None or samples is None else found.values[samples],
        scores=None if found.scores is None or samples is None else found.scores[samples],
        targets=targets, samples=count, broken=0,
    )  # fmt: skip
