"""Recipes to scores: predictions of a sheet, compared with the float model's."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qdebug.engine import Batch, Sheet, Work
from qdebug.measure import Predictions, compare, predictions
from qdebug.recipes import Recipe
from qdebug.results import Finding, Metric, Score
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.size import size
from qdebug.session.subject import Subject


class Scorer:
    """Scores recipes on a subject's evaluation data, remembering what it has seen."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject = subject
        self._preparer = preparer
        self._scores: Memo[Score] = Memo(512)
        self._predictions: Memo[Predictions] = Memo(128)

    def score(self, recipe: Recipe, work: Work) -> Score:
        """The recipe's score on all evaluation data."""
        return self._scores.get(recipe.digest, lambda: self._score(recipe, work))

    def metric(self, sheet: Sheet, batches: Sequence[Batch], work: Work) -> Metric:
        """A sheet's metric against the float model's, on some batches."""
        reference = self.predictions(self._preparer.float_sheet, batches, work)
        return compare(reference, self.predictions(sheet, batches, work), self._subject.task)

    def predictions(self, sheet: Sheet, batches: Sequence[Batch], work: Work, *, remember: bool = True) -> Predictions:
        """What a sheet predicts. Sheets with equal outputs share the answer.

        ``remember`` tells whether the cache keeps the values inside the network.
        """
        key = (sheet.keys[self._subject.program.output], batches[0].key, len(batches))
        return self._predictions.get(key, lambda: self.predict(sheet, batches, work, remember=remember))

    def predict(self, sheet: Sheet, batches: Sequence[Batch], work: Work, *, remember: bool) -> Predictions:
        """As :meth:`predictions`, which nobody will ask for again: they are not remembered."""
        parts: list[Predictions] = []
        for done, (batch, labels) in enumerate(self._subject.labelled(batches)):
            work.step(done, len(batches), "evaluating")
            output = self._subject.engine.output(sheet, batch, work, remember=remember)
            parts.append(predictions(self._subject.task, output, labels))
        return Predictions.join(parts)

    def _score(self, recipe: Recipe, work: Work) -> Score:
        start = time.perf_counter()
        metric = self.metric(self._preparer.sheet(recipe, work), self._subject.eval_batches, work)
        return Score(
            recipe=recipe.digest, metric=metric, size=size(self._subject, recipe), exact=True,
            seconds=time.perf_counter() - start, findings=_findings(metric),
        )  # fmt: skip


def _findings(metric: Metric) -> tuple[Finding, ...]:
    if metric.quantized == metric.quantized and abs(metric.quantized) != float("inf"):
        return ()
    text = f"The quantized model's {metric.name} is {metric.quantized}: its outputs hold NaN or Inf."
    return (Finding(kind="nan", layer="", tensor="output", text=text),)
