"""Bias correction without data.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.2.1 and appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qdebug.engine import Engine, Overlay, Sheet
from qdebug.graph import Layer, Program
from qdebug.graph.unfolding import unfolding_of
from qdebug.methods.absorption import through


def correct_by_means(
    engine: Engine, layers: Sequence[Layer], overlay: Overlay, sheet: Sheet, reference: Sheet,
    means: Mapping[int, Tensor], shapes: Mapping[int, tuple[int, ...]],
) -> Overlay:  # fmt: skip
    """Take ε E[x] out of the bias of each layer, ε being what rounding has changed in its weight (equation 17).

    It corrects what the weight's rounding does, not what the activation's does. Where a convolution pads with zeros,
    each place of its kernel counts with the share of outputs for which it lies inside, on images as large as the
    traced ones; the paper's E[x] goes on beyond the border.

    Args:
        engine: for constants.
        layers: those whose weights are quantized.
        overlay: what earlier fixes replaced.
        sheet: the quantized model.
        reference: the float model for the same overlay.
        means: E[x] of each input channel, float64 ``[C]``, by layer step; layers without stay as they are.
        shapes: shapes of all values by step.

    Returns:
        the overlay with corrected biases.
    """
    tensors: dict[int, Tensor] = {}
    biases: dict[int, Tensor] = {}
    for layer in layers:
        if layer.step not in means:
            continue
        own, rounded = reference.constant(layer.weight, engine.cache), sheet.rounded(layer.step)
        quantized = sheet.weight(layer, engine.cache).double()
        if rounded is not None and rounded.side is not None:
            quantized = quantized + rounded.side
        shares = inside(engine.program, layer, shapes)
        shift = through(layer, quantized - own.double(), means[layer.step], shares)
        if layer.bias is None:
            biases[layer.step] = (-shift).to(own.dtype)
        else:
            bias = sheet.constant(layer.bias, engine.cache)
            tensors[layer.bias] = (bias.double() - shift).to(bias.dtype)
    return overlay.updated(tensors, biases)


def inside(program: Program, layer: Layer, shapes: Mapping[int, tuple[int, ...]]) -> Tensor | None:
    """For each place of a convolution's kernel, the share of outputs for which it lies inside the input, ``[places]``.

    None where there is nothing to pad, or where a convolution's windows are not known here (over three axes).
    """
    weight = program.state.get(layer.weight)
    if layer.kind != "conv" or weight is None:
        return None
    unfolding = unfolding_of(program.steps[layer.step], layer, tuple(weight.shape))
    if unfolding is None:
        return None
    return unfolding.columns(torch.ones(1, 1, *shapes[layer.x][2:]))[0].double().mean(1)
