"""Whether a fix gains more than chance explains: what it does to each sample, paired."""

from __future__ import annotations

import numpy as np

from qdebug.measure import Predictions
from qdebug.measure.compare import compare
from qdebug.measure.intervals import paired_difference, skewed_mean
from qdebug.recipes import Recipe
from qdebug.results import Metric
from qdebug.search.diagnose.places import Bench


def is_certain(bench: Bench, changed: Recipe) -> bool:
    """Whether a changed recipe is better than the bench's, by more than a 95 % interval over samples.

    Of the squared change of the output or of the metric: either is enough, and which of them a gain is a part of is
    decided elsewhere. One sample has no interval; then any gain is taken as it is.
    """
    before, after = (bench.session.errors(one, bench.batches, bench.work) for one in (bench.recipe, changed))
    if not np.isfinite(before).all():
        return bool(np.isfinite(after).all())
    if len(before) < 2:
        return True
    if np.isfinite(after).all() and skewed_mean(before - after)[0] > 0:
        return True
    float_, first, second = (
        bench.session.predictions(one, bench.work) for one in (Recipe(), bench.recipe, changed)
    )  # fmt: skip
    return _gains(float_, first, second, bench.subject.meter.task)


def _gains(float_: Predictions, before: Predictions, after: Predictions, task: str) -> bool:
    """Whether the metric surely gets better."""
    if float_.scores is not None:
        return _is_gain(compare(before, after, task))
    if float_.top1 is None or before.top1 is None or after.top1 is None:
        return False  # outputs that are compared as they are: their error has been looked at
    if float_.correct is None and float_.loss is None:
        kept, keeps = (one.top1 == float_.top1 for one in (before, after))
        return paired_difference(int((keeps & ~kept).sum()), int((kept & ~keeps).sum()), len(kept))[0] > 0
    return _is_gain(compare(before, after, task))


def _is_gain(found: Metric) -> bool:
    return found.ci95[0] > 0 if found.higher_is_better else found.ci95[1] < 0
