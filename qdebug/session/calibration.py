"""How many calibration samples are enough: the metric and the ranges of recipes calibrated on few."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence

import numpy as np

from qdebug.engine import Batch, Sheet, Work
from qdebug.measure import Predictions, compare
from qdebug.recipes import Recipe
from qdebug.results import CalibrationCurve, CalibrationPoint, Metric
from qdebug.results.score import is_fraction
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.sites import Site, sites
from qdebug.session.subject import Subject

SUBSETS = 5
_BUDGET = 2 * 10**11
"""Multiply-accumulates that all evaluations together may cost; beyond it, fewer samples are evaluated."""
_FEWEST = 128


class CalibrationMeter:
    """Calibrates recipes anew on subsets of the calibration data."""

    def __init__(self, subject: Subject, preparer: Preparer, scorer: Scorer) -> None:
        self._subject, self._preparer, self._scorer = subject, preparer, scorer
        self._known: Memo[CalibrationCurve] = Memo(128)

    def curve(self, recipe: Recipe, subsets: int, samples: int | None, seed: int, work: Work) -> CalibrationCurve:
        """The curve of a recipe.

        Args:
            recipe: the recipe. Fixes that look at calibration data look at the subset's.
            subsets: draws of each number of samples.
            samples: evaluation samples; None for as many as the budget allows.
            seed: of the draws.
            work: progress and cancel.
        """
        key = (recipe.digest, subsets, samples, seed)
        return self._known.get(key, lambda: self._measure(recipe, subsets, samples, seed, work))

    def _measure(self, recipe: Recipe, subsets: int, samples: int | None, seed: int, work: Work) -> CalibrationCurve:
        start = time.perf_counter()
        full = self._preparer.sheet(recipe, work)
        reference = sites(self._subject, full)
        learns = any(fix.looks_at_data for fix in recipe.fixes)
        total = len(self._subject.calib)
        numbers = counts(total) if reference or learns else (total,)
        runs = subsets * (len(numbers) - 1) + 1
        batches = self._batches(samples, runs)
        before = self._scorer.predictions(self._preparer.float_sheet, batches, work)
        points: list[CalibrationPoint] = []
        orders = [np.random.default_rng((seed, draw)).permutation(total) for draw in range(subsets)]
        last, done = self._metric(full, before, batches, work), 1
        for number in numbers[:-1]:
            metrics, widths = list[float](), list[list[float]]()
            for order in orders:
                work.step(done, runs, f"calibrating on {number} of {total} samples")
                sheet = self._calibrated(recipe, order[:number], work)
                metrics.append(self._metric(sheet, before, batches, work).quantized)
                widths.append(_widths(reference, sites(self._subject, sheet)))
                done += 1
            points.append(_point(number, metrics, widths))
        points.append(_point(total, [last.quantized], [[1.0] * len(reference)]))
        slack = tolerance(last)
        return CalibrationCurve(
            recipe=recipe.digest, metric=last.name, float_value=last.float_, higher_is_better=last.higher_is_better,
            points=tuple(points), subsets=subsets, n=sum(batch.count for batch in batches), tolerance=slack,
            enough=enough(points, slack), calibrated=len(reference), seconds=time.perf_counter() - start,
        )  # fmt: skip

    def _batches(self, samples: int | None, runs: int) -> tuple[Batch, ...]:
        """The first batches of the evaluation data."""
        if samples is None:
            macs = max(sum(layer.macs for layer in self._subject.info.layers), 1)
            samples = max(_BUDGET // (macs * runs), _FEWEST)
        return self._subject.eval_batches[: max(1, -(-samples // self._subject.batch_size))]

    def _calibrated(self, recipe: Recipe, rows: Sequence[int] | np.ndarray, work: Work) -> Sheet:
        """The recipe worked out on some of the calibration samples, as if there were no others."""
        subset = dataclasses.replace(self._subject, calib=self._subject.calib.take(np.sort(np.asarray(rows))))
        return Preparer(subset).sheet(recipe, Quiet(work))

    def _metric(self, sheet: Sheet, before: Predictions, batches: Sequence[Batch], work: Work) -> Metric:
        after = self._scorer.predict(sheet, batches, Quiet(work), remember=False)
        return compare(before, after, self._subject.meter.task)


class Quiet(Work):
    """A part of some work, which stops with it and reports nothing of its own."""

    def __init__(self, whole: Work) -> None:
        super().__init__()
        self._whole = whole

    def check(self) -> None:
        """Stop where the whole is to stop."""
        self._whole.check()


def counts(total: int) -> tuple[int, ...]:
    """1, 2, 4 … and all."""
    return (*(2**power for power in range(total.bit_length()) if 2**power < total), total)


def tolerance(metric: Metric) -> float:
    """What is no difference: half a point of an accuracy, 1 % of a perplexity, 0.001 of a cosine, 0.5 dB of an SQNR."""
    if is_fraction(metric.name):
        return 0.005
    return {"sqnr_db": 0.5, "cosine": 0.001}.get(metric.name, 0.01 * abs(metric.quantized))


def enough(points: Sequence[CalibrationPoint], slack: float) -> int:
    """The smallest number of samples from which on every subset's metric is within the tolerance of the last."""
    last, found = points[-1].metrics[0], points[-1].samples
    for point in reversed(points):
        if not all(abs(value - last) <= slack * (1 + 1e-9) for value in point.metrics):
            break
        found = point.samples
    return found


def _widths(reference: Sequence[Site], now: Sequence[Site]) -> list[float]:
    """Each range's width as a share of the one from all samples."""
    found = {(site.index, site.name): site.high - site.low for site in now}
    pairs = ((found.get((site.index, site.name)), site.high - site.low) for site in reference)
    return [width / whole for width, whole in pairs if width is not None and whole > 0]


def _point(number: int, metrics: Sequence[float], widths: Sequence[Sequence[float]]) -> CalibrationPoint:
    some = [one for one in widths if one]
    return CalibrationPoint(
        samples=number, metrics=tuple(metrics), widths=tuple(statistics.median(one) for one in some),
        narrowest=tuple(min(one) for one in some),
    )  # fmt: skip
