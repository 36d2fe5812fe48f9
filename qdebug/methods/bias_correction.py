"""Bias correction from data.

Nagel et al. 2019 (arXiv:1906.04721), section 4.2 and appendix D: the expected error of each output channel, measured on
calibration data layer after layer, is taken out of the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from qdebug.engine import Batch, Engine, Overlay, Sheet, Work
from qdebug.graph import Layer


def correct_biases(
    engine: Engine,
    layers: Sequence[Layer],
    overlay: Overlay,
    sheet_of: Callable[[Overlay], Sheet],
    reference: Sheet,
    batches: Sequence[Batch],
    work: Work,
) -> Overlay:
    """Subtract E[quantized output] − E[float output] from the bias of every quantized layer.

    Layers are corrected in the order of the graph, each with everything before it quantized and already corrected, as
    the paper's appendix D has it. A layer without a bias is given one.

    Args:
        engine: runs the sheets.
        layers: the quantized layers, in graph order.
        overlay: what earlier fixes replaced.
        sheet_of: the quantized sheet for an overlay.
        reference: the float sheet for the same overlay.
        batches: calibration data.
        work: progress and cancel.

    Returns:
        the overlay with corrected biases.
    """
    expected = _means(engine, reference, layers, batches, work)
    for done, layer in enumerate(layers):
        work.step(done, len(layers), f"correcting the bias of {layer.name}")
        sheet = sheet_of(overlay)
        shift = _means(engine, sheet, [layer], batches, work)[layer.step] - expected[layer.step]
        overlay = _corrected(engine, sheet, overlay, layer, shift)
    return overlay


def _corrected(engine: Engine, sheet: Sheet, overlay: Overlay, layer: Layer, shift: Tensor) -> Overlay:
    if layer.bias is None:
        dtype = sheet.constant(layer.weight, engine.cache).dtype
        return overlay.updated(biases={layer.step: (-shift).to(dtype)})
    bias = sheet.constant(layer.bias, engine.cache)
    return overlay.updated(tensors={layer.bias: (bias.double() - shift).to(bias.dtype)})


def _means(
    engine: Engine, sheet: Sheet, layers: Sequence[Layer], batches: Sequence[Batch], work: Work
) -> dict[int, Tensor]:
    """The mean output of each channel over all samples and positions, float64, by layer step."""
    axes = {layer.step: layer.channel_axis for layer in layers}
    sums: dict[int, Tensor] = {}
    counts = dict.fromkeys(axes, 0)
    for batch in batches:

        def add(step: int, value: Tensor, batch: Batch = batch) -> None:
            rows = batch.real_rows(value).movedim(axes[step], 0).flatten(1)
            total = rows.sum(1, dtype=torch.float64)
            sums[step] = sums[step] + total if step in sums else total
            counts[step] += rows.shape[1]

        engine.visit(sheet, batch, axes, add, work)
    return {step: sums[step] / counts[step] for step in axes}
