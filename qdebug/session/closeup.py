"""A closer look at one layer under a recipe: asked for only when somebody looks."""

from __future__ import annotations

from torch import Tensor

from qdebug.engine import Sheet, Work
from qdebug.graph import Layer
from qdebug.measure.cells import block_of, fewest_for, packed, reduced, squared_by_line, worst_of
from qdebug.measure.ridges import Limits, clip_limits, evenly, fill, powers, ridges, worst
from qdebug.measure.scatter import Scatter
from qdebug.measure.spectrum import MOST_VALUES, held, noise, useful_rank
from qdebug.measure.split import decibels
from qdebug.quantize import Grid, rows
from qdebug.recipes import Recipe
from qdebug.results import ChannelRidges, CloseUp, ErrorSpectrum, OutputScatter, WeightMatrix
from qdebug.results.closeup import CellValue, Look
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables


class CloseUps:
    """Looks closely at a layer."""

    def __init__(self, subject: Subject, preparer: Preparer, tables: Tables) -> None:
        self._subject, self._preparer, self._tables = subject, preparer, tables

    def look(self, recipe: Recipe, layer: Layer, look: Look, work: Work) -> CloseUp:
        """What is looked at."""
        match look:
            case "channels":
                return self._ridges(recipe, layer, work)
            case "matrix-largest" | "matrix-mean":
                return self._matrix(recipe, layer, "mean" if look == "matrix-mean" else "largest", work)
            case "spectrum":
                return self._spectrum(recipe, layer, work)
            case "output-alone" | "output-in-place":
                return self._scatter(recipe, layer, work, in_place=look == "output-in-place")

    def _weights(self, recipe: Recipe, layer: Layer, work: Work) -> tuple[Tensor, Tensor]:
        """The weight ``[output channels, inputs]``, float with the recipe's fixes, and as the layer uses it.

        What a method keeps beside the codes is part of the latter.
        """
        sheet, cache = self._preparer.sheet(recipe, work), self._subject.engine.cache
        before, after = sheet.constant(layer.weight, cache), sheet.weight(layer, cache)
        rounded = sheet.rounded(layer.step)
        if rounded is not None and rounded.side is not None:
            after = after + rounded.side
        return rows(before, layer.out_axis), rows(after, layer.out_axis)

    def _grid(self, sheet: Sheet, layer: Layer) -> Grid | None:
        """The grid of the weight's values; None where they are on none."""
        quant = sheet.quants.get(layer.step)
        if quant is None or quant.plan.weight.is_float32:
            return None
        return sheet.quantized(layer, quant.plan.weight, self._subject.engine.cache)[1]

    def _ridges(self, recipe: Recipe, layer: Layer, work: Work) -> ChannelRidges:
        before, after = self._weights(recipe, layer, work)
        grid = self._grid(self._preparer.sheet(recipe, work), layer)
        limits: Limits | None = None if grid is None else clip_limits(grid, len(before))
        parts = None if limits is None else fill(before, limits)
        plan = recipe.plan_for(layer.name, layer.kind).weight
        error, signal = powers(before, after)
        return ChannelRidges(
            layer=layer.name, format=plan.label, is_float=plan.is_float32, total=len(before),
            evenly=ridges(before, after, evenly(before), limits),
            worst=ridges(before, after, worst(error, signal), limits),
            scales=grid.scale.shape[1] if grid is not None and grid.scale.dim() else 0,
            fill=None if parts is None else (float(parts.min()), sorted(parts.tolist())[len(parts) // 2]),
        )  # fmt: skip

    def _matrix(self, recipe: Recipe, layer: Layer, cell: CellValue, work: Work) -> WeightMatrix:
        before, after = self._weights(recipe, layer, work)
        error = after - before
        block = block_of(*before.shape)
        by_row, by_column = squared_by_line(error)
        return WeightMatrix(
            layer=layer.name, format=recipe.plan_for(layer.name, layer.kind).weight.label, cell=cell,
            rows=before.shape[0], columns=before.shape[1], height=block[0], width=block[1],
            before=packed(reduced(before, block, cell)), after=packed(reduced(after, block, cell)),
            error=packed(reduced(error, block, cell)),
            sqnr_db=decibels(float(squared_by_line(before)[0].sum()), float(by_row.sum())),
            half_rows=fewest_for(by_row), half_columns=fewest_for(by_column), worst_row=worst_of(by_row),
            worst_column=worst_of(by_column),
        )  # fmt: skip

    def _spectrum(self, recipe: Recipe, layer: Layer, work: Work) -> ErrorSpectrum:
        before, after = self._weights(recipe, layer, work)
        shape, label = (before.shape[0], before.shape[1]), recipe.plan_for(layer.name, layer.kind).weight.label
        if before.numel() > MOST_VALUES:
            return ErrorSpectrum(layer=layer.name, format=label, shape=shape, error=(), weight=(), noise=(),
                                 exact=False, rank=0, too_large=True)  # fmt: skip
        work.step(0, 2, "decomposing the error")
        error, exact = held(after - before)
        work.step(1, 2, "decomposing the weight")
        weight = held(before)[0] if error.size else error
        return ErrorSpectrum(
            layer=layer.name, format=label, shape=shape, error=tuple(error.tolist()), weight=tuple(weight.tolist()),
            noise=tuple(noise(*shape, len(error)).tolist()), exact=exact,
            rank=useful_rank(*shape) if layer.groups == 1 and layer.kind != "embedding" else 0,
        )  # fmt: skip

    def _scatter(self, recipe: Recipe, layer: Layer, work: Work, *, in_place: bool) -> OutputScatter:
        reference, alone = self._tables.pair(recipe, layer, work)
        other = self._preparer.sheet(recipe, work) if in_place else alone
        batches, engine, step = self._tables.batches, self._subject.engine, layer.step
        scatter = Scatter(len(batches))
        for turn, take in enumerate((scatter.see, scatter.count)):
            for done, batch in enumerate(batches):
                work.step(turn * len(batches) + done, 2 * len(batches), f"comparing the outputs of {layer.name}")
                one, two = (engine.values(sheet, batch, (step,), work)[step] for sheet in (reference, other))
                take(batch.real_rows(one), batch.real_rows(two))
        return scatter.finish(layer.name, sum(batch.count for batch in batches), in_place=in_place)
