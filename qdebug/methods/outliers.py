"""Outlier channels kept in half precision.

Dettmers, Lewis, Belkada, Zettlemoyer: *LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale*, NeurIPS 2022
(arXiv:2208.07339), section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.engine import Batch
from qdebug.graph import Layer
from qdebug.methods.bases import nearest_in, with_inputs_in
from qdebug.methods.bench import Bench, refusal
from qdebug.quantize import Without, from_rows, rows
from qdebug.recipes.fixes import Outliers

_INDEX = 32
"""Bits of a kept channel's number."""


def keep_outliers(bench: Bench, fix: Outliers) -> Bench:
    """Let every layer read its outlier channels unquantized, with weights in fp16.

    The paper's equation 8: the product is split by input channels; those in which some value's magnitude exceeds the
    threshold are multiplied in 16 bits, all others quantized. The paper finds them anew in every input; here they are
    found once, on the calibration data of the float model, as a static range is. A layer without such channels is left
    as it is.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Raises:
        NumericError: a weight has no finite value, or an input that is calibrated holds NaN or Inf.
    """
    kept = {step: outliers(peaks, fix.threshold, fix.keep) for step, peaks in magnitudes(bench).items()}
    layers = [layer for layer in bench.layers if kept[layer.step]]
    rounded, bases = {}, {}
    for layer in layers:
        channels = kept[layer.step]
        given = bench.reference.constant(layer.weight, bench.engine.cache)
        matrix = rows(given, layer.out_axis)
        columns = weight_columns(channels, given, layer)
        side = torch.zeros_like(matrix)
        side[:, list(columns)] = matrix[:, list(columns)].half().to(matrix.dtype)
        shaped = from_rows(side, given, layer.out_axis)
        beside = 16 * len(matrix) * len(columns) + _INDEX * len(channels)
        rounded[layer.step] = nearest_in(bench, layer, Without(columns), shaped, beside)
        if not bench.quants[layer.step].plan.activation.is_float32:
            bases[layer.step] = Without(channels, layer.channel_axis)
    found = with_inputs_in(replace(bench.with_rounded(rounded), layers=layers), bases)
    return replace(found, layers=bench.layers)


def without_channels(bench: Bench, layer: Layer) -> str | None:
    """Why no channels of a layer's input are kept; None where they are."""
    if layer.kind == "embedding":
        return "it reads no activation that has channels"
    if layer.groups > 1:
        return "each group of its outputs reads channels of its own"
    if layer.in_axis == layer.out_axis:
        return "which of its weights read a channel is not known here"
    if bench.quants[layer.step].plan.activation.range == "stored":
        return "its activation's range came with the model's file"
    return refusal(bench.quants[layer.step].plan.weight)


def magnitudes(bench: Bench) -> dict[int, Tensor]:
    """The largest magnitude of each channel of every layer's input on the calibration data, by the layer's step.

    float32 ``[channels]``; NaN where a channel holds one. From the float model, one pass for all layers.
    """
    axes = {layer.x: layer.channel_axis for layer in bench.layers}
    peaks: dict[int, Tensor] = {}
    for done, batch in enumerate(bench.batches):
        bench.work.step(done, len(bench.batches), "looking for outlier channels")

        def show(x: int, value: Tensor, batch: Batch = batch) -> None:
            real = batch.real_rows(value).float().movedim(axes[x], 0)
            found = real.reshape(len(real), -1).abs().amax(1)
            peaks[x] = torch.maximum(peaks[x], found) if x in peaks else found

        bench.engine.visit(bench.reference, batch, axes, show, bench.work, remember=False)
    return {layer.step: peaks[layer.x] for layer in bench.layers}


def outliers(peaks: Tensor, threshold: float, keep: float) -> tuple[int, ...]:
    """The channels to keep, ascending: those above a threshold or, where ``keep`` is not 0, that many percent of all.

    Args:
        peaks: ``[channels]``, the largest magnitude of each.
        threshold: a magnitude.
        keep: percent, rounded up to whole channels, the largest first.
    """
    if keep <= 0:
        return tuple(torch.nonzero(peaks > threshold).flatten().tolist())
    count = min(len(peaks), math.ceil(keep * len(peaks) / 100))
    return tuple(sorted(torch.argsort(peaks, descending=True, stable=True)[:count].tolist()))


def weight_columns(channels: tuple[int, ...], weight: Tensor, layer: Layer) -> tuple[int, ...]:
    """The columns of the weight's matrix (see :func:`qdebug.quantize.rows`) that multiply some input channels."""
    places = torch.arange(math.prod(weight.shape) // weight.shape[layer.out_axis])
    one = list(weight.movedim(layer.out_axis, 0).shape[1:])
    axis = layer.in_axis % weight.dim()
    axis -= axis > layer.out_axis % weight.dim()
    found = places.view(one).index_select(axis, torch.tensor(channels, dtype=torch.int64))
    return tuple(sorted(found.flatten().tolist()))
