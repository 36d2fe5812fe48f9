"""A recipe's metric by class and by group of the evaluation data."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.engine import Work
from qdebug.measure import Partition, Predictions, subgroups
from qdebug.measure.predictions import ignored
from qdebug.recipes import Recipe
from qdebug.results import Subgroups
from qdebug.results.subgroups import Key
from qdebug.session.groups import name
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.subject import Subject

MOST = 4096
"""Names of one key beyond which it tells samples apart rather than groups."""


class SubgroupMeter:
    """Takes scores apart. The predictions are the score's own: what is known of a recipe costs nothing more."""

    def __init__(self, subject: Subject, preparer: Preparer, scorer: Scorer) -> None:
        self._subject, self._preparer, self._scorer = subject, preparer, scorer
        self._known: Memo[Subgroups] = Memo(256)

    def of(self, recipe: Recipe, work: Work) -> Subgroups:
        """Every class and group under a recipe."""
        return self._known.get(recipe.digest, lambda: self._measure(recipe, work))

    def _measure(self, recipe: Recipe, work: Work) -> Subgroups:
        start = time.perf_counter()
        batches, preparer = self._subject.eval_batches, self._preparer
        overall = self._scorer.score(recipe, work).metric
        before = self._scorer.predictions(preparer.float_sheet, batches, work)
        after = self._scorer.predictions(preparer.sheet(recipe, work), batches, work)
        parts, left_out = partitions(self._subject, before)
        rows = subgroups(before, after, self._subject.meter.task, parts)
        return Subgroups(
            recipe=recipe.digest, overall=overall, rows=rows, left_out=left_out, seconds=time.perf_counter() - start
        )


def partitions(subject: Subject, found: Predictions) -> tuple[list[Partition], str]:
    """What the labels and the data's ``group`` key part the samples into, and what was left out and why.

    Args:
        subject: the model and its data.
        found: predictions on all evaluation data.
    """
    data, task, parts, left_out = subject.data, subject.task, list[Partition](), list[str]()
    scored = found.scores is not None
    candidates: list[tuple[Key, NDArray, bool]] = []
    by_class = task == "classification" or (task == "segmentation" and found.correct is not None and not scored)
    if data.labels is not None and by_class:
        candidates.append(("class", _classes(subject, data.labels.numpy()), task == "segmentation"))
    if data.group is not None:
        candidates.append(("group", data.group, False))
    for key, values, by_prediction in candidates:
        names, of = np.unique(values, return_inverse=True)
        if len(names) > MOST:
            left_out.append(f"'{key}' has {len(names):,} different values: too many to be groups.")
        elif len(names) > 1:
            parts.append(Partition(key, tuple(map(name, names)), of.reshape(-1), by_prediction))
    return parts, " ".join(left_out)


def _classes(subject: Subject, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label of each prediction: of each sample, or of each pixel that is a target."""
    if subject.task == "classification":
        return labels
    return labels[~np.isin(labels, _void(subject, labels))]


def _void(subject: Subject, labels: NDArray[np.int64]) -> Sequence[int]:
    """Labels that are no class, as the scoring reads them: 255 is one where the model has as many."""
    output = subject.shapes[subject.program.output]
    classes = output[1] if tuple(output[2:]) == labels.shape[1:] else output[-1]
    return ignored("segmentation", classes)
