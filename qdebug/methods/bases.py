"""Layers quantized in a basis: their weights rounded there, their static grids calibrated there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.calibrate import Observer, choose_range
from qdebug.engine import Batch, Rounded
from qdebug.errors import NumericError
from qdebug.graph import Layer
from qdebug.methods.bench import Bench
from qdebug.quantize import Basis, Grid, Without, choose_grid, fake_quantize, is_static
from qdebug.recipes import TensorPlan

_STEP = 32
"""Samples whose limits are one step of a moving average, as in every calibration."""


def nearest_in(
    bench: Bench, layer: Layer, basis: Basis | None, side: Tensor | None = None, beside: int = 0
) -> Rounded:  # fmt: skip
    """A layer's weight rounded to nearest in a basis, on the grid that it has there.

    Args:
        bench: the model.
        layer: the layer.
        basis: what is done to the rows of its weight before.
        side: what is kept beside, in the weight's shape.
        beside: bits that it takes.

    Raises:
        NumericError: no value of the weight is finite.
    """
    given = bench.reference.constant(layer.weight, bench.engine.cache)
    start = Rounded(given, None, basis, side, beside)
    problem = bench.with_rounded({layer.step: start}).problem(layer)
    plan = problem.plan
    return problem.rounded(fake_quantize(problem.weight, problem.grid, rounding=plan.rounding, seed=plan.seed))


def with_inputs_in(bench: Bench, bases: Mapping[int, Basis]) -> Bench:
    """The bench with those layers' inputs quantized in a basis, by the layer's step; static grids are chosen anew."""
    grids = static_grids(bench, bases)
    changed = {
        step: replace(bench.quants[step], basis=basis, activation=grids.get(step, bench.quants[step].activation))
        for step, basis in bases.items()
    }
    return replace(bench, quants={**bench.quants, **changed})


def static_grids(bench: Bench, bases: Mapping[int, Basis]) -> dict[int, Grid]:
    """The grids of static inputs in a basis, from one pass of the float model over the calibration data.

    Channels that the basis leaves out have no say. A range that was set by hand stays as it is.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    plans = {layer.step: bench.quants[layer.step].plan.activation for layer in bench.layers if layer.step in bases}
    static = [layer for layer in bench.layers if layer.step in plans and _is_calibrated(plans[layer.step])]
    observers = {layer.step: Observer(layer.channel_axis) for layer in static}
    readers: dict[int, list[Layer]] = {}
    for layer in static:
        readers.setdefault(layer.x, []).append(layer)
    for done, batch in enumerate(bench.batches):
        bench.work.step(done, len(bench.batches), "calibrating")

        def show(x: int, value: Tensor, batch: Batch = batch) -> None:
            real = batch.real_rows(value)
            for layer in readers[x]:
                seen = _seen(real, bases[layer.step])
                for part in seen.split(max(1, len(real) // batch.count * _STEP)):
                    observers[layer.step].update(part)

        bench.engine.visit(bench.reference, batch, readers, show, bench.work, remember=False)
    shown = [layer for layer in static if observers[layer.step].stats().count]  # a basis may leave out all channels
    return {layer.step: _chosen(observers[layer.step], plans[layer.step], layer) for layer in shown}


def _is_calibrated(plan: TensorPlan) -> bool:
    return is_static(plan) and plan.clip is None


def _seen(x: Tensor, basis: Basis) -> Tensor:
    if not isinstance(basis, Without):
        return basis.into(x)
    left = sorted(set(range(x.shape[basis.axis])) - set(basis.channels))
    return x.index_select(basis.axis, torch.tensor(left, dtype=torch.int64, device=x.device))


def _chosen(observer: Observer, plan: TensorPlan, layer: Layer) -> Grid:
    stats = observer.stats()
    if stats.nan or stats.inf:
        raise NumericError(
            f"The input of the layer holds {stats.nan} NaN and {stats.inf} Inf on the calibration data",
            layer=layer.name, tensor="activation",
            do="Find where they arise upstream, or leave this activation in fp32.",
        )  # fmt: skip
    return choose_grid(*choose_range(stats, plan, layer=layer.name), plan, layer=layer.name)
