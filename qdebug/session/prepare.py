"""From a recipe to a sheet: fixes applied, ranges calibrated, every layer's quantization ready to run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from torch import Tensor

from qdebug.calibrate import AVERAGED, ActivationStats, Observer, choose_range
from qdebug.engine import NOTHING, Batch, LayerQuant, Overlay, Sheet, Work
from qdebug.engine.attended import Attended
from qdebug.errors import NumericError
from qdebug.graph import Layer
from qdebug.graph.points import grid_source
from qdebug.quantize import Grid, choose_grid, is_static
from qdebug.recipes import LayerPlan, Recipe, TensorPlan, with_fix
from qdebug.session.attention import Attending
from qdebug.session.memo import Memo
from qdebug.session.repair import Repairs, Shortened
from qdebug.session.rewriting import Rewrites
from qdebug.session.subject import Subject


class Preparer:
    """Turns recipes into sheets for one subject, remembering overlays, calibrations and sheets."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._sheets: Memo[Sheet] = Memo(64)
        self._floats: Memo[Sheet] = Memo(64)
        self._grids: Memo[Grid] = Memo(8192)
        self._stats: dict[bytes, ActivationStats] = {}
        self._calibrating = threading.Lock()
        self.rewrites = Rewrites(self)
        self.repairs = Repairs(self)
        self.attention = Attending(self)
        self.float_sheet = self.sheet_of(NOTHING, {})

    def sheet(self, recipe: Recipe, work: Work) -> Sheet:
        """The sheet of a recipe."""
        return self._sheets.get(recipe, lambda: self._sheet(recipe, work))

    def worked_out(self, recipe: Recipe, work: Work) -> Recipe:
        """Work a recipe out; what came of it, where somebody had enough of a fix before its end, is another recipe."""
        try:
            with work.takes_less():
                self.sheet(recipe, work)
        except Shortened as early:
            return with_fix(recipe, early.fix)
        return recipe

    def sheet_of(
        self, overlay: Overlay, quants: Mapping[int, LayerQuant], points: Mapping[int, LayerQuant] | None = None,
        attended: Sequence[Attended] = (), like: Sheet | None = None,
    ) -> Sheet:  # fmt: skip
        """A sheet from its parts; ``like`` is one that it differs little from."""
        return Sheet(self.subject.program, self.subject.layers, overlay, quants, points, attended, like)

    def float_with_fixes(self, recipe: Recipe, work: Work) -> Sheet:
        """The float sheet with the recipe's function-preserving fixes applied: what its quantization starts from."""
        return self.float_sheet_of(self.overlay(recipe, work))

    def float_sheet_of(self, overlay: Overlay) -> Sheet:
        """The float sheet of an overlay."""
        return self._floats.get(overlay, lambda: self.sheet_of(overlay, {}))

    def overlay(self, recipe: Recipe, work: Work) -> Overlay:
        """The tensors that the recipe's function-preserving fixes replace."""
        return self.rewrites.overlay(recipe, work)

    def quants(self, recipe: Recipe, overlay: Overlay, work: Work) -> dict[int, LayerQuant]:
        """Every quantized layer's quantization, by step."""
        found: dict[int, LayerQuant] = {}
        for layer in self.subject.layers:
            plan = recipe.plan_for(layer.name, layer.kind)
            if not (plan.weight.is_float32 and (plan.activation.is_float32 or layer.kind == "embedding")):
                grid = self._grid(layer, recipe, overlay, work)
                found[layer.step] = LayerQuant(plan, grid, layer.channel_axis, recipe.bias == "int32")
        return found

    def points(self, recipe: Recipe, overlay: Overlay, work: Work) -> dict[int, LayerQuant]:
        """The quantization of activations between layers, by the step that computes them."""
        plan = recipe.between
        if plan.is_float32:
            return {}
        found: dict[int, LayerQuant] = {}
        stored = plan.range == "stored"  # then the file says which they are
        for index in sorted(self.subject.program.everywhere) if stored else self.subject.points:
            grid = self._value_grid(index, -1, plan, overlay, work) if is_static(plan) else None
            found[index] = LayerQuant(LayerPlan(activation=plan), grid)
        return found

    def stats(self, overlay: Overlay, layer: Layer, work: Work) -> ActivationStats:
        """What calibration saw of a layer's input, under an overlay. One pass calibrates all layers."""
        return self._seen(layer.x, overlay, work)

    def activation(
        self, index: int, axis: int, plan: TensorPlan, overlay: Overlay, work: Work, layer: str = ""
    ) -> LayerQuant:
        """How a step's value is quantized under a plan, on the ranges that calibration finds under an overlay.

        Raises:
            NumericError: calibration saw NaN or Inf.
        """
        grid = self._value_grid(index, axis, plan, overlay, work, layer) if is_static(plan) else None
        return LayerQuant(LayerPlan(activation=plan), grid, axis)

    def value_grid(self, index: int, plan: TensorPlan, overlay: Overlay, work: Work, name: str) -> Grid:
        """The grid of a step's value under a static plan; ``name`` is what errors call it."""
        return self._value_grid(index, -1, plan, overlay, work, name)

    def _seen(self, index: int, overlay: Overlay, work: Work) -> ActivationStats:
        sheet = self.float_sheet_of(overlay)
        key = sheet.keys[index]
        with self._calibrating:
            if key not in self._stats:
                self._calibrate(sheet, work, index)
            return self._stats[key]

    def _sheet(self, recipe: Recipe, work: Work) -> Sheet:
        overlay = self.overlay(recipe, work)
        quants = self.quants(recipe, overlay, work)
        points = self.points(recipe, overlay, work)  # on the grids of the layers that read them: before biases change
        found = self.repairs.repaired(recipe, overlay, quants, work, points)
        points = points | self.attention.points(recipe, overlay, work)
        return self.sheet_of(found.overlay, found.quants, points, self.attention.attended(recipe, overlay, work))

    def _grid(self, layer: Layer, recipe: Recipe, overlay: Overlay, work: Work) -> Grid | None:
        plan = recipe.plan_for(layer.name, layer.kind).activation
        if layer.kind == "embedding" or not is_static(plan):
            return None
        # Between layers a value is on its source's grid, and stays on it through views and maxima; a quantized file
        # may have put it on one anywhere on that way, and its grids are stored by layer input.
        held = recipe.between.is_float32 or plan.range == "stored"
        x = layer.x if held else grid_source(self.subject.program, layer.x)
        return self._value_grid(x, layer.channel_axis, plan, overlay, work, layer.name)

    def _value_grid(
        self, index: int, axis: int, plan: TensorPlan, overlay: Overlay, work: Work, layer: str = ""
    ) -> Grid:
        """The grid of a step's value under a static plan."""
        if plan.range == "stored":
            return self.subject.program.stored[index]
        key = (self.float_sheet_of(overlay).keys[index], plan)
        name = layer or self.subject.program.steps[index].name
        return self._grids.get(key, lambda: self._chosen(index, plan, overlay, work, name))

    def _chosen(self, index: int, plan: TensorPlan, overlay: Overlay, work: Work, name: str) -> Grid:
        if plan.clip is not None:
            return choose_grid(*plan.clip, plan, layer=name)
        stats = self._seen(index, overlay, work)
        _refuse_nonfinite(stats, name)
        return choose_grid(*choose_range(stats, plan, layer=name), plan, layer=name)

    def _calibrate(self, sheet: Sheet, work: Work, index: int) -> None:
        """Observe every layer input that was not yet observed, in one pass over the calibration data.

        If ``index`` is none of them it is a value between layers or one that attention reads, and all of that kind are
        observed too.
        """
        todo: dict[int, Observer] = {}
        for layer in self.subject.layers:
            if layer.kind != "embedding" and sheet.keys[layer.x] not in self._stats:
                todo.setdefault(layer.x, Observer(layer.channel_axis))
        if all(layer.x != index for layer in self.subject.layers):
            read = self.attention.read
            for point in (*(read if index in read else self.subject.points), index):
                if sheet.keys[point] not in self._stats:
                    todo.setdefault(point, Observer(1 if len(self.subject.shapes[point]) > 3 else -1))
        batches = self.subject.calib_batches
        for done, batch in enumerate(batches):
            work.step(done, len(batches), "calibrating")
            observe(self.subject, sheet, batch, todo, work)
        for x, observer in todo.items():
            self._stats[sheet.keys[x]] = observer.stats()


def observe(subject: Subject, sheet: Sheet, batch: Batch, observers: Mapping[int, Observer], work: Work) -> None:
    """Show one batch's values to their observers, by step."""

    def show(x: int, value: Tensor) -> None:
        rows = batch.real_rows(value)
        one = len(rows) if x in subject.alike else max(1, len(rows) // batch.count * AVERAGED)
        for part in rows.split(max(1, one)):
            observers[x].update(part)

    subject.engine.visit(sheet, batch, observers, show, work, remember=False)


def _refuse_nonfinite(stats: ActivationStats, name: str) -> None:
    if stats.nan or stats.inf:
        raise NumericError(
            f"The input of the layer holds {stats.nan} NaN and {stats.inf} Inf on the calibration data",
            layer=name,
            tensor="activation", do="Find where they arise upstream, or leave this activation in fp32.",
        )  # fmt: skip
