"""Each layer's part in the damage: quantized alone, everything else float."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.engine import Batch, Sheet, Work
from qdebug.measure.losses import Loss
from qdebug.recipes import Recipe
from qdebug.results import Share, Shares
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.subject import Subject
from qdebug.session.tables import alone

Measured = Callable[[str, float, float], None]
"""Gets a layer's name, its error and the metric with it alone quantized."""
#: Multiply-accumulates that all layers together may cost; beyond it, fewer samples are used.
_BUDGET = 10**11
_FEWEST = 32


class ShareMeter:
    """Measures isolated errors through the engine, so that each layer costs only what lies downstream of it."""

    def __init__(self, subject: Subject, preparer: Preparer, scorer: Scorer) -> None:
        self._subject, self._preparer, self._scorer = subject, preparer, scorer
        self._errors: Memo[NDArray[np.float64]] = Memo(4096)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """As much of the evaluation data as the budget allows: the same choice on every machine."""
        info = self._subject.info
        cost = max(sum(layer.macs for layer in info.layers) * len(info.layers) // 2, 1)
        samples = max(_BUDGET // cost, _FEWEST)
        return self._subject.eval_batches[: max(1, -(-samples // self._subject.batch_size))]

    def shares(self, recipe: Recipe, work: Work, order: Sequence[str] = (), show: Measured | None = None) -> Shares:
        """All layers' shares under a recipe.

        Args:
            recipe: the recipe.
            work: progress and cancel.
            order: layers that are measured first, in this order.
            show: gets each layer's name, error and metric as it comes.
        """
        start = time.perf_counter()
        full = self._preparer.sheet(recipe, work)
        reference = self._preparer.float_with_fixes(recipe, work)
        batches, layers = self.batches, self._subject.layers
        places = {name: place for place, name in enumerate(order)}
        errors: dict[str, tuple[float, float]] = {}
        for layer in sorted(layers, key=lambda one: places.get(one.name, len(places))):
            work.step(len(errors), len(layers), f"quantizing {layer.name} alone")
            sheet = alone(self._preparer, reference, full, layer)
            error = self.isolated(sheet, batches, work) if layer.step in sheet.quants else 0.0
            errors[layer.name] = error, self._scorer.metric(sheet, batches, work).quantized
            if show is not None:
                show(layer.name, *errors[layer.name])
        total = sum(errors[layer.name][0] for layer in layers if errors[layer.name][0] == errors[layer.name][0]) or 1.0
        rows = tuple(
            Share(name=layer.name, isolated=error, share=error / total, metric=metric)
            for layer in layers
            for error, metric in [errors[layer.name]]
        )
        return Shares(
            recipe=recipe.digest, rows=rows, n=sum(b.count for b in batches), seconds=time.perf_counter() - start
        )

    def isolated(self, sheet: Sheet, batches: Sequence[Batch], work: Work) -> float:
        """Mean squared change of the model's output per sample, against the float model."""
        return float(self.errors(sheet, batches, work).mean())

    def errors(self, sheet: Sheet, batches: Sequence[Batch], work: Work) -> NDArray[np.float64]:
        """Squared change of the model's output, against the float model, of each sample of these batches."""
        key = (sheet.keys[self._subject.program.output], tuple(batch.key for batch in batches))
        return self._errors.get(key, lambda: np.concatenate([self._changes(sheet, batch, work) for batch in batches]))

    def _changes(self, sheet: Sheet, batch: Batch, work: Work) -> NDArray[np.float64]:
        engine, reference = self._subject.engine, self._preparer.float_sheet
        return Loss("squared").changes(engine.output(reference, batch, work), engine.output(sheet, batch, work), None)
