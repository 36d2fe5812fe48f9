"""Everything the screens show of one layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdebug.calibrate import ActivationStats, histogram
from qdebug.engine import LayerQuant, Sheet, Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.measure import channel_ranges, tensor_findings
from qdebug.quantize import QParams, weight_qparams
from qdebug.recipes import LayerPlan, Recipe
from qdebug.results import ErrorSplit, Finding, Grid, Histogram, LayerDetail, TensorView
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables
from qdebug.session.words import explain

#: Bins of a drawn histogram.
BINS = 256
#: A grid of more codes than this is drawn thinned out.
_POINTS = 257


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
        weight = self._weight(reference, layer, plan, local.weight)
        activation = None
        if layer.kind != "embedding" and local.activation is not None:
            stats = self._preparer.stats(reference.overlay, layer, work)
            activation = _activation(stats, full.quants.get(layer.step), plan, local.activation)
        output = local.output
        cumulative = self._tables.cumulative(recipe, layer, work)
        output = type(output)(sqnr_db=output.sqnr_db, mean_shift=output.mean_shift, cumulative_sqnr_db=cumulative)
        return LayerDetail(
            name=layer.name, op=layer.op, recipe=recipe.digest, weight=weight, activation=activation, output=output,
            shift=local.shift, text=explain(weight, activation, output),
            findings=self.findings(recipe, layer, work),
        )  # fmt: skip

    def findings(self, recipe: Recipe, layer: Layer, work: Work) -> tuple[Finding, ...]:
        """What is odd about a layer's weight and activation."""
        reference = self._preparer.float_with_fixes(recipe, work)
        weight = reference.constant(layer.weight, self._subject.engine.cache)
        plan = recipe.plan_for(layer.name, layer.kind)
        found = list(tensor_findings(layer.name, "weight", _weight_stats(weight, layer), plan.weight.format))
        if layer.kind != "embedding":
            stats = self._preparer.stats(reference.overlay, layer, work)
            found += tensor_findings(layer.name, "activation", stats, plan.activation.format)
        return tuple(found)

    def _weight(self, sheet: Sheet, layer: Layer, plan: LayerPlan, split: ErrorSplit | None) -> TensorView | None:
        if split is None:
            return None
        weight = sheet.constant(layer.weight, self._subject.engine.cache)
        flat = weight.movedim(layer.out_axis, 0).flatten(1)
        channels = channel_ranges(flat.amin(1).numpy(), flat.amax(1).numpy())
        grid = _grid(weight_qparams(weight, plan.weight, layer.out_axis))
        return TensorView(histogram=_weight_histogram(weight), grid=grid, channels=channels, error=split)


def _weight_histogram(weight: Tensor) -> Histogram:
    low, high, counts = histogram(weight, BINS)
    finite = weight[torch.isfinite(weight)]
    return Histogram(
        low=low, high=high, counts=tuple(int(count) for count in counts), total=int(sum(counts)), outliers=_extremes(finite)
    )


def _activation(stats: ActivationStats, quant: LayerQuant | None, plan: LayerPlan, split: ErrorSplit) -> TensorView:
    low, high, counts = rebinned(stats.low, stats.high, np.asarray(stats.counts), stats.min, stats.max, BINS)
    drawn = Histogram(low=low, high=high, counts=tuple(int(c) for c in counts), total=int(counts.sum()), outliers=())
    return TensorView(
        histogram=drawn, grid=_grid(quant.activation if quant else None),
        channels=channel_ranges(stats.channel_min, stats.channel_max), error=split,
        dynamic=find(plan.activation.format).is_integer and (plan.activation.dynamic or plan.activation.granularity == "token"),
    )  # fmt: skip


def rebinned(low: float, high: float, counts: np.ndarray, least: float, most: float, bins: int) -> tuple[float, float, np.ndarray]:
    """A fine histogram made coarser, cut to the part between the smallest and the largest value.

    Each fine bin goes whole into the coarse bin that holds its middle, so the counts keep their sum.
    """
    if not counts.sum() or not high > low or not most > least:
        return least, most if most > least else least + 1.0, np.bincount([0], minlength=bins) * int(counts.sum())
    middles = low + (np.arange(len(counts)) + 0.5) * ((high - low) / len(counts))
    place = np.clip(((middles - least) / (most - least) * bins).astype(np.int64), 0, bins - 1)
    return least, most, np.bincount(place, weights=counts, minlength=bins).astype(np.int64)


def _grid(qparams: QParams | None) -> Grid | None:
    """The grid as drawn: of several scales, the widest."""
    if qparams is None:
        return None
    widest = int(qparams.scale.reshape(-1).argmax())
    scale = float(qparams.scale.reshape(-1)[widest])
    zero = float(qparams.zero_point.reshape(-1)[widest])
    codes = np.arange(qparams.qmin, qparams.qmax + 1)
    thin = -(-len(codes) // _POINTS)
    return Grid(
        points=tuple(((codes[::thin] - zero) * scale).tolist()), clip_min=float(qparams.clip_min.min()),
        clip_max=float(qparams.clip_max.max()), scales=qparams.scale.numel(),
    )  # fmt: skip


def _extremes(values: Tensor, most: int = 8) -> tuple[float, ...]:
    """The values farthest from zero, to be drawn as marks of their own."""
    if not values.numel():
        return ()
    top = values.flatten()[values.abs().flatten().topk(min(most, values.numel())).indices]
    return tuple(sorted(top.tolist()))
