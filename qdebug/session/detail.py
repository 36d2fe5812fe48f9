"""Everything the screens show of one layer."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.calibrate import ActivationStats, histogram
from qdebug.engine import LayerQuant, Sheet, Work
from qdebug.errors import RecipeError
from qdebug.graph import Layer
from qdebug.measure import channel_limits, channel_ranges, grid, tensor_findings, weight_findings
from qdebug.quantize import is_dynamic, weight_grid
from qdebug.recipes import LayerPlan, Recipe
from qdebug.results import ChannelRanges, ErrorSplit, Finding, Histogram, InputRanges, LayerDetail, TensorView
from qdebug.session.prepare import Preparer
from qdebug.session.routing import by_expert
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables
from qdebug.session.words import explain, unremarkable

#: Bins of a drawn histogram.
BINS = 256

#: Samples whose ranges are told one by one.
SAMPLES = 24


class Details:
    """Builds the detail of a layer under a recipe."""

    def __init__(self, subject: Subject, preparer: Preparer, tables: Tables) -> None:
        self._subject, self._preparer, self._tables = subject, preparer, tables

    def detail(self, recipe: Recipe, layer: Layer, work: Work) -> LayerDetail:
        """The layer's tensors, errors and finding."""
        plan = recipe.plan_for(layer.name, layer.kind)
        local = self._tables.local(recipe, layer, work)
        reference = self._preparer.float_with_fixes(recipe, work)
        full = self._preparer.sheet(recipe, work)
        weight = self._weight(full, layer, plan, local.weight)
        activation = None
        if layer.kind != "embedding" and local.activation is not None:
            stats = self._preparer.stats(reference.overlay, layer, work)
            activation = _activation(stats, full.quants.get(layer.step), plan, local.activation)
        output = local.output
        cumulative = self._tables.cumulative(recipe, layer, work)
        output = type(output)(sqnr_db=output.sqnr_db, mean_shift=output.mean_shift, cumulative_sqnr_db=cumulative)
        cause = explain(weight, activation, output)
        return LayerDetail(
            name=layer.name, op=layer.op, recipe=recipe.digest, weight=weight, activation=activation, output=output,
            shift=local.shift, mse=local.mse, text=cause or unremarkable(output), plain=cause is None,
            findings=self.findings(recipe, layer, work),
        )  # fmt: skip

    def input_ranges(self, recipe: Recipe, layer: Layer, work: Work) -> InputRanges:
        """How far the layer's input reaches in the first samples, token by token."""
        if layer.kind == "embedding":
            raise RecipeError("Its input is an index", layer=layer.name, do="Choose another layer.")
        batch = self._subject.batches(self._subject.data.first(SAMPLES))[0]
        sheet = self._preparer.float_with_fixes(recipe, work)
        value = batch.real_rows(self._subject.engine.values(sheet, batch, (layer.x,), work)[layer.x])
        tokens = value.movedim(layer.channel_axis, -1).flatten(1, -2) if value.dim() > 2 else value.unsqueeze(1)
        quant = self._preparer.sheet(recipe, work).quants.get(layer.step)
        shared = grid(quant.activation) if quant and quant.activation else None
        low, high = (tuple(map(tuple, ends.double().tolist())) for ends in torch.aminmax(tokens, dim=-1))
        return InputRanges(
            layer=layer.name, clip=(shared.clip_min, shared.clip_max) if shared else None, low=low, high=high
        )

    def read_ranges(self, recipe: Recipe, layer: Layer, work: Work) -> ChannelRanges:
        """The range of a layer's weights by the input channel that they read."""
        if layer.groups > 1:
            raise RecipeError("Its input channels are read in groups", layer=layer.name, do="Choose another layer.")
        sheet = self._preparer.float_with_fixes(recipe, work)
        return channel_ranges(*channel_limits(sheet.constant(layer.weight, self._subject.engine.cache), layer.in_axis))

    def findings(self, recipe: Recipe, layer: Layer, work: Work) -> tuple[Finding, ...]:
        """What is odd about a layer's weight and activation."""
        reference = self._preparer.float_with_fixes(recipe, work)
        weight = reference.constant(layer.weight, self._subject.engine.cache)
        plan = recipe.plan_for(layer.name, layer.kind)
        found = weight_findings(layer.name, weight, layer.out_axis, plan.weight)
        if layer.kind == "embedding":
            return found
        stats = self._preparer.stats(reference.overlay, layer, work)
        inputs = tensor_findings(
            layer.name, "activation", count=stats.count, nan=stats.nan, inf=stats.inf, channel_low=stats.channel_low,
            channel_high=stats.channel_high, plan=plan.activation,
        )  # fmt: skip
        return found + tuple(map(by_expert, inputs))

    def _weight(self, sheet: Sheet, layer: Layer, plan: LayerPlan, split: ErrorSplit | None) -> TensorView | None:
        if split is None:
            return None
        weight = sheet.constant(layer.weight, self._subject.engine.cache)
        channels = channel_ranges(*channel_limits(weight, layer.out_axis))
        rounded = sheet.rounded(layer.step)
        if rounded is None:
            qparams = weight_grid(weight, plan.weight, layer.out_axis)
        else:
            qparams = rounded.grid if rounded.is_on_grid else None
        return TensorView(
            histogram=tensor_histogram(weight), grid=grid(qparams) if qparams else None, channels=channels, error=split
        )


def tensor_histogram(weight: Tensor) -> Histogram:
    """The histogram of a tensor at hand, with its extreme values."""
    low, high, counts = histogram(weight, BINS)
    finite = weight[torch.isfinite(weight)]
    return Histogram(
        low=low,
        high=high,
        counts=tuple(int(count) for count in counts),
        total=int(sum(counts)),
        outliers=_extremes(finite),
    )


def _activation(stats: ActivationStats, quant: LayerQuant | None, plan: LayerPlan, split: ErrorSplit) -> TensorView:
    low, high, counts = stats.histogram(BINS)
    drawn = Histogram(low=low, high=high, counts=tuple(counts.tolist()), total=stats.finite)
    return TensorView(
        histogram=drawn, grid=grid(quant.activation) if quant and quant.activation else None,
        channels=channel_ranges(stats.channel_low, stats.channel_high), error=split,
        dynamic=is_dynamic(plan.activation),
    )  # fmt: skip


def _extremes(values: Tensor, most: int = 8) -> tuple[float, ...]:
    """The values farthest from zero, to be drawn as marks of their own."""
    if not values.numel():
        return ()
    top = values.flatten()[values.abs().flatten().topk(min(most, values.numel())).indices]
    return tuple(sorted(top.tolist()))
