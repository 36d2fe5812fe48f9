"""AWQ's scaling of salient input channels.

Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan, Han: *AWQ: Activation-aware Weight Quantization for LLM Compression
and Acceleration*, MLSys 2024 (arXiv:2306.00978), section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, Sheet, Work
from qdebug.errors import MethodError
from qdebug.graph import Layer
from qdebug.graph.filed import plain
from qdebug.methods.inputs import Design, Moment, inputs, require_finite
from qdebug.methods.places import Rescaled, ScaleSite, site_refusal, times
from qdebug.methods.ranges import row_changes
from qdebug.quantize import quantize_weight, rows
from qdebug.recipes import Awq, TensorPlan

_SMALLEST = 1e-4
"""No channel's factor is below, before they are normalized: as in the authors' implementation."""

_ROWS = 512
"""Rows of a weight whose errors are held against the inputs at once; the more, the later a bad α is given up."""


def awq_refusal(site: ScaleSite, plans: Mapping[int, TensorPlan]) -> str | None:
    """Why factors would not be searched for at a site under these weight plans, by layer step; None where they are."""
    if all(plans[layer.step].is_float32 for layer in site.layers):
        return "no weight that reads it is quantized"
    return site_refusal(site, plans)


def scale_salient(
    engine: Engine, sheet: Sheet, batches: Iterable[Batch], sites: Sequence[ScaleSite],
    plans: Mapping[int, TensorPlan], fix: Awq, work: Work,
) -> Rescaled:  # fmt: skip
    """Multiply the input columns of salient channels, and divide where these channels come from: the same function.

    Args:
        engine: runs the sheet.
        sheet: the float model.
        batches: calibration data.
        sites: where; see :func:`qdebug.methods.places.scale_sites`.
        plans: the weight's plan of each layer, by step.
        fix: the parameters.
        work: progress and cancel.

    Raises:
        MethodError: there is no α to try.
        NumericError: an input holds NaN or Inf.
    """
    if fix.steps < 1:
        raise MethodError(f"AWQ cannot search α in {fix.steps} steps", do="Choose 1 or more; the authors' are 20.")
    batches, changed, moved = list(batches), dict[int, Tensor](), dict[ScaleSite, Tensor]()

    def now(index: int) -> Tensor:
        found: Tensor = changed[index] if index in changed else sheet.constant(index, engine.cache)
        return found

    for done, site in enumerate(sites):
        work.step(done, len(sites), f"scaling the input of {site.layers[0].name}")
        if awq_refusal(site, plans):
            continue
        mean, hessian = _seen(engine, sheet, batches, site.layers[0], work)
        weights = [(layer, plain(now(layer.weight)), plans[layer.step]) for layer in site.layers]
        factors = best_factors(site.shared(mean, "mean"), hessian, weights, fix.steps)
        if not bool((factors == 1).all()):
            changed |= site.moved(now, factors)
            moved[site] = factors
    return Rescaled(changed, moved, {})


def best_factors(
    mean: Tensor, hessian: Tensor, weights: Sequence[tuple[Layer, Tensor, TensorPlan]], steps: int = 20
) -> Tensor:
    """The factors s = mean|x|^α, over √(max s · min s), with the least error of the outputs (equations 4 and 5).

    The error is that of Q(W · diag s) · diag s⁻¹ · x against W · x, summed over all layers that read x. α = 0 is among
    those tried, and leaves the layers as they are: no site's error ends above that of rounding to nearest.

    Args:
        mean: the mean of |x| over the calibration data, float64 ``[C]``, equal for channels that share a factor.
        hessian: the mean of x xᵀ, float64 ``[1, C, C]``.
        weights: the layers, their weights and their plans; those that stay in float count nothing.
        steps: α is 0, 1/steps … 1 − 1/steps.

    Returns:
        float64 ``[C]``.
    """
    best, least = torch.ones_like(mean), math.inf
    for step in range(steps):
        factors = mean.pow(step / steps).clamp_min(_SMALLEST)
        factors = factors / (factors.max() * factors.min()).sqrt()
        change = 0.0
        for more in chain.from_iterable(_changes(*one, factors, hessian) for one in weights):
            change += more
            if change >= least:
                break  # more rows make it no less
        if change < least:
            best, least = factors, change
    return best


def _changes(layer: Layer, weight: Tensor, plan: TensorPlan, factors: Tensor, hessian: Tensor) -> Iterator[float]:
    """The mean squared change of a layer's output, some rows at a time."""
    if plan.is_float32:
        return
    values, _ = quantize_weight(times(weight, factors, layer.in_axis), plan, layer.out_axis, layer=layer.name)
    now, before = (rows(one, layer.out_axis) for one in (values, weight))
    for start in range(0, len(now), _ROWS):
        part = slice(start, start + _ROWS)
        yield float(row_changes(now[part].double().div_(factors).sub_(before[part]), hessian).sum())


def _seen(engine: Engine, sheet: Sheet, batches: Sequence[Batch], layer: Layer, work: Work) -> tuple[Tensor, Tensor]:
    """The mean of |x| ``[C]`` and of x xᵀ ``[1, C, C]`` of a linear layer's input, float64."""
    total, gram = torch.zeros((), dtype=torch.float64), Moment()
    for batch in batches:
        for _, found in inputs(engine, [Design(layer, 1, None)], sheet, batch, work):
            total = total + found[0].abs().double().sum(0)
            gram.add(found, found)
    count, mean = gram.count, gram.mean()
    require_finite(mean, layer=layer.name)
    return total / count, mean
