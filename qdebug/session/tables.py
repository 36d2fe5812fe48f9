"""Every layer's local errors under a recipe."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec

from qdebug.engine import Batch, LayerQuant, Sheet, Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.graph.filed import plain
from qdebug.measure import OutputAccumulator, SplitAccumulator, error_split, off_grid_split
from qdebug.quantize import dynamic_grid, fake_quantize_activation, is_dynamic, rows
from qdebug.recipes import FLOAT, LayerPlan, Recipe
from qdebug.results import CourseRow, ErrorCourse, ErrorSplit, LayerReport, LayerTable, OutputError
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

#: Samples that local errors are measured on; a mean over millions of values settles long before this.
SAMPLES = 128


@dataclass(frozen=True)
class Local:
    """A layer measured alone: float inputs, its own weight and activation quantized."""

    weight: ErrorSplit | None
    activation: ErrorSplit | None
    output: OutputError
    shift: tuple[float, ...]
    mse: float


class Tables:
    """Measures layers, remembering each by content: a changed layer alone is measured again."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject = subject
        self._preparer = preparer
        self._locals: Memo[Local] = Memo(4096)
        self._weights: Memo[ErrorSplit] = Memo(4096)
        self._cumulative: Memo[float | None] = Memo(4096)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that local errors are measured on."""
        count = -(-SAMPLES // self._subject.batch_size)
        return self._subject.eval_batches[:count]

    def table(self, recipe: Recipe, work: Work) -> LayerTable:
        """All layers' rows."""
        start = time.perf_counter()
        rows: list[LayerReport] = []
        for done, layer in enumerate(self._subject.layers):
            work.step(done, len(self._subject.layers), f"measuring {layer.name}")
            local = self.local(recipe, layer, work)
            rows.append(LayerReport(
                name=layer.name, op=layer.op, weight=local.weight, activation=local.activation, output=local.output,
            ))  # fmt: skip
        return LayerTable(recipe=recipe.digest, rows=tuple(rows), seconds=time.perf_counter() - start)

    def local(self, recipe: Recipe, layer: Layer, work: Work) -> Local:
        """One layer's local errors, with the fixes that the recipe asks for."""
        reference, alone = self.pair(recipe, layer, work)
        plan = recipe.plan_for(layer.name, layer.kind)
        key = (reference.keys[layer.step], alone.keys[layer.step], msgspec.json.encode(plan))
        return self._locals.get(key, lambda: self._local(reference, alone, layer, plan, work))

    def pair(self, recipe: Recipe, layer: Layer, work: Work) -> tuple[Sheet, Sheet]:
        """The float sheet with the recipe's fixes, and the same with this layer alone quantized."""
        full = self._preparer.sheet(recipe, work)
        reference = self._preparer.float_with_fixes(recipe, work)
        return reference, alone(self._preparer, reference, full, layer)

    def cumulative(self, recipe: Recipe, layer: Layer, work: Work) -> float | None:
        """SQNR of a layer's output with everything upstream quantized too."""
        reference, full = self._preparer.float_with_fixes(recipe, work), self._preparer.sheet(recipe, work)
        key = (reference.keys[layer.step], full.keys[layer.step])
        return self._cumulative.get(key, lambda: self._compare(reference, full, layer, work).sqnr_db)

    def course(self, recipe: Recipe, work: Work) -> ErrorCourse:
        """Every layer's output error, alone and with everything upstream quantized, in graph order."""
        rows = []
        for done, layer in enumerate(self._subject.layers):
            work.step(done, len(self._subject.layers), f"following the error to {layer.name}")
            alone_db = self.local(recipe, layer, work).output.sqnr_db
            rows.append(CourseRow(name=layer.name, alone_db=alone_db, all_db=self.cumulative(recipe, layer, work)))
        n = sum(batch.count for batch in self.batches)
        return ErrorCourse(recipe=recipe.digest, rows=tuple(rows), n=n)

    def weight_split(self, sheet: Sheet, layer: Layer, plan: LayerPlan) -> ErrorSplit:
        """What quantization does to a layer's weight."""
        rounded = sheet.rounded(layer.step)
        key = (sheet.weight_key(layer), msgspec.json.encode(plan.weight), layer.out_axis, rounded and rounded.key)
        return self._weights.get(key, lambda: self._weight_split(sheet, layer, plan))

    def _weight_split(self, sheet: Sheet, layer: Layer, plan: LayerPlan) -> ErrorSplit:
        cache = self._subject.engine.cache
        weight, rounded = plain(sheet.constant(layer.weight, cache)), sheet.rounded(layer.step)
        if rounded is None or rounded.is_on_grid:
            quantized, qparams = sheet.quantized(layer, plan.weight, cache)
            quantized = plain(quantized)
            if qparams is None and plan.weight.rank:
                return off_grid_split(weight, quantized, plan.weight)
            return error_split(weight, quantized, qparams, plan.weight, layer.out_axis)
        # What is kept beside is no part of what was rounded, and that was rounded in another basis.
        kept = weight if rounded.side is None else weight - rounded.side
        pair = [rows(one, layer.out_axis) for one in (kept, rounded.values)]
        if rounded.basis is not None:
            pair = [rounded.basis.into(one) for one in pair]
        if rounded.grid is None:
            return off_grid_split(pair[0], pair[1], plan.weight)
        return error_split(pair[0], pair[1], rounded.grid, plan.weight)

    def _local(self, reference: Sheet, alone: Sheet, layer: Layer, plan: LayerPlan, work: Work) -> Local:
        quant = alone.quants.get(layer.step)
        comparison = self._compare(reference, alone, layer, work)
        activation = None
        if layer.kind != "embedding":
            activation = self._activation_split(reference, layer, quant, plan, work)
        return Local(self.weight_split(alone, layer, plan), activation, comparison.finish(), comparison.shift,
                     comparison.mse)  # fmt: skip

    def _activation_split(
        self, reference: Sheet, layer: Layer, quant: LayerQuant | None, plan: LayerPlan, work: Work
    ) -> ErrorSplit:
        chosen = plan.activation if quant else FLOAT
        accumulator = SplitAccumulator(chosen)
        for batch in self.batches:
            value = self._subject.engine.values(reference, batch, (layer.x,), work)[layer.x]
            x = batch.real_rows(value)
            if quant and quant.basis:
                x = quant.basis.into(x)
            grid = (
                dynamic_grid(x, chosen, layer.channel_axis)
                if is_dynamic(chosen)
                else quant.activation
                if quant
                else None
            )
            quantized = fake_quantize_activation(x, chosen, grid, layer.channel_axis)
            if find(chosen.format).own_blocks:
                x, quantized = (values.movedim(layer.channel_axis, -1) for values in (x, quantized))
            accumulator.add(x, quantized, grid)
        return accumulator.finish()

    def _compare(self, reference: Sheet, quantized: Sheet, layer: Layer, work: Work) -> OutputAccumulator:
        comparison = OutputAccumulator(layer.channel_axis)
        for batch in self.batches:
            one = self._subject.engine.values(reference, batch, (layer.step,), work)[layer.step]
            two = self._subject.engine.values(quantized, batch, (layer.step,), work)[layer.step]
            comparison.add(batch.real_rows(one), batch.real_rows(two))
        return comparison


def alone(preparer: Preparer, reference: Sheet, full: Sheet, layer: Layer) -> Sheet:
    """The reference with one layer as the full sheet treats it: quantized, and with its corrected bias."""
    quants = {layer.step: full.quants[layer.step]} if layer.step in full.quants else {}
    overlay = reference.overlay
    if layer.bias is not None and layer.bias in full.overlay.tensors:
        bias = full.overlay.tensors[layer.bias]
        if bias is not overlay.tensors.get(layer.bias):
            overlay = overlay.updated(tensors={layer.bias: bias})
    if layer.step in full.overlay.biases:
        overlay = overlay.updated(biases={layer.step: full.overlay.biases[layer.step]})
    if layer.step in full.overlay.rounded:
        overlay = overlay.updated(rounded={layer.step: full.overlay.rounded[layer.step]})
    return preparer.sheet_of(overlay, quants, like=reference)
