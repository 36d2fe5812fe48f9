"""How soon the clip range of a layer's input settles as calibration sees more samples."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from torch import Tensor

from qdebug.calibrate import AVERAGED, Observer, convergence
from qdebug.engine import Batch, Work
from qdebug.errors import RecipeError
from qdebug.quantize import is_static
from qdebug.recipes import Recipe, TensorPlan
from qdebug.recipes.check import range_methods
from qdebug.results import Convergence
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

USUAL = TensorPlan("int8", symmetric=False)
"""What is asked about where the recipe gives an input no calibrated range."""


class Settling:
    """Watches calibration of one layer at a time."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer
        self._known: Memo[Convergence] = Memo(256)

    def of(self, recipe: Recipe, name: str, work: Work) -> Convergence:
        """The clip range that each range method would choose after 1, 2, 4 … calibration samples.

        For the recipe's format, or, where that takes no calibrated range, for affine int8. An input that is the same
        for every sample is looked at row by row instead.

        Raises:
            RecipeError: there is no such layer, or it has no input to quantize.
            NumericError: calibration saw no finite value.
        """
        layer = self._subject.layer(name)
        if layer.kind == "embedding":
            raise RecipeError(f"The input of '{name}' is not quantized: it is an index", do="Choose another layer.")
        plan = recipe.plan_for(layer.name, layer.kind).activation
        plan = msgspec.structs.replace(plan, clip=None, range="minmax") if is_static(plan) else USUAL
        sheet = self._preparer.float_with_fixes(recipe, work)
        key = (sheet.keys[layer.x], plan)
        return self._known.get(key, lambda: self._watch(recipe, name, plan, work))

    def _watch(self, recipe: Recipe, name: str, plan: TensorPlan, work: Work) -> Convergence:
        layer = self._subject.by_name[name]
        sheet = self._preparer.float_with_fixes(recipe, work)
        observer = Observer(layer.channel_axis, checkpoints=True)
        batches = self._subject.calib_batches
        if layer.x in self._subject.alike:  # one batch shows all of it
            work.step(0, 1, f"calibrating {name}")
            self._subject.engine.visit(
                sheet, batches[0], {layer.x: observer}, lambda _, value: observer.update(value), work, remember=False
            )
            batches = ()
        for done, batch in enumerate(batches):
            work.step(done, len(batches), f"calibrating {name}")
            self._subject.engine.visit(sheet, batch, {layer.x: observer}, _shown(observer, batch), work, remember=False)
        return convergence(observer.checkpoints(), plan, range_methods(plan), layer=name)


def _shown(observer: Observer, batch: Batch) -> Callable[[int, Tensor], None]:
    """Shows a batch's values to an observer that counts samples: several rows of one sample stay together."""

    def show(x: int, value: Tensor) -> None:
        rows = batch.real_rows(value)
        samples = rows.unflatten(0, (batch.count, -1)) if len(rows) > batch.count else rows
        for part in samples.split(AVERAGED):
            observer.update(part)

    return show
