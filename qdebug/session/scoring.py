"""Recipes to scores: predictions of a sheet, compared with the float model's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from qdebug.engine import Batch, Sheet, Work
from qdebug.measure import Predictions, compare
from qdebug.recipes import Recipe
from qdebug.results import Finding, Metric, Score
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.size import size
from qdebug.session.subject import Subject

LEFT = 0.3
"""Seconds that a score must still take for an estimate of it to be worth while."""
SoFar = Callable[[Sequence[Predictions], float], None]
"""Told what was predicted batch by batch, and the part of the batches that this is."""


class Scorer:
    """Scores recipes on a subject's evaluation data, remembering what it has seen."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject = subject
        self._preparer = preparer
        self._scores: Memo[Score] = Memo(512)
        self._predictions: Memo[Predictions] = Memo(128)

    def score(self, recipe: Recipe, work: Work, show: Callable[[Score], None] | None = None) -> Score:
        """The recipe's score on all evaluation data.

        Args:
            recipe: the recipe.
            work: reports progress, and stops it.
            show: called with estimates of the score from the first batches, each from twice as many, while the rest
                still takes a while.
        """
        return self._scores.get(recipe.digest, lambda: self._score(recipe, work, show))

    def metric(self, sheet: Sheet, batches: Sequence[Batch], work: Work) -> Metric:
        """A sheet's metric against the float model's, on some batches."""
        reference = self.predictions(self._preparer.float_sheet, batches, work)
        return compare(reference, self.predictions(sheet, batches, work), self._subject.meter.task)

    def predictions(
        self, sheet: Sheet, batches: Sequence[Batch], work: Work, *, remember: bool = True, so_far: SoFar | None = None
    ) -> Predictions:
        """What a sheet predicts. Sheets with equal outputs share the answer.

        ``remember`` tells whether the cache keeps the values inside the network.
        """
        key = (sheet.keys[self._subject.program.output], batches[0].key, len(batches))
        return self._predictions.get(key, lambda: self.predict(sheet, batches, work, remember=remember, so_far=so_far))

    def predict(
        self, sheet: Sheet, batches: Sequence[Batch], work: Work, *, remember: bool, so_far: SoFar | None = None
    ) -> Predictions:
        """As :meth:`predictions`, which nobody will ask for again: they are not remembered."""
        parts: list[Predictions] = []
        for done, (batch, labels) in enumerate(self._subject.labelled(batches)):
            work.step(done, len(batches), "evaluating")
            output = self._subject.engine.output(sheet, batch, work, remember=remember)
            parts.append(self._subject.meter.predictions(output, labels))
            if so_far and len(parts) < len(batches):
                so_far(parts, len(parts) / len(batches))
        return Predictions.join(parts)

    def _score(self, recipe: Recipe, work: Work, show: Callable[[Score], None] | None) -> Score:
        start = time.perf_counter()
        sheet, batches = self._preparer.sheet(recipe, work), self._subject.eval_batches
        bulk = size(self._subject, recipe, sheet)
        reference = self.predictions(self._preparer.float_sheet, batches, work)

        def made(found: Predictions, *, exact: bool = True) -> Score:
            metric = compare(reference if exact else reference.first(found.samples), found, self._subject.meter.task)
            seconds = time.perf_counter() - start
            return Score(
                recipe=recipe.digest, metric=metric, size=bulk, exact=exact, seconds=seconds, findings=_findings(metric)
            )

        so_far = _estimates(lambda parts: show(made(Predictions.join(parts), exact=False))) if show else None
        return made(self.predictions(sheet, batches, work, so_far=so_far))


def _estimates(tell: Callable[[Sequence[Predictions]], None]) -> SoFar:
    """Tells after one batch, two, four and so on, where the others still take a while: each costs a comparison."""
    start = time.perf_counter()

    def told(parts: Sequence[Predictions], part: float) -> None:
        left = (time.perf_counter() - start) * (1 / part - 1)
        if left > LEFT and len(parts) & (len(parts) - 1) == 0:
            tell(parts)

    return told


def _findings(metric: Metric) -> tuple[Finding, ...]:
    if metric.quantized == metric.quantized and abs(metric.quantized) != float("inf"):
        return ()
    text = f"The quantized model's {metric.name} is {metric.quantized}: its outputs hold NaN or Inf."
    return (Finding(kind="nan", layer="", tensor="output", text=text),)
