"""Rescalings that leave a network's function alone and make it hard to quantize.

ReLU is positively homogeneous, relu(s*x) = s*relu(x) for s > 0: a channel scaled up where it is made and down where
it is read changes nothing in float (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", used backwards). Factors that are powers of two change no mantissa, so the result is bit-identical.
"""

from collections.abc import Sequence

import torch
from torch import nn

Layer = nn.Conv2d | nn.Linear | nn.LayerNorm


@torch.no_grad()
def scale_outputs(layer: Layer, channels: Sequence[int] | slice, factor: float) -> None:
    """Multiply the layer's output channels: rows of the weight, and their bias."""
    layer.weight[channels] *= factor
    if layer.bias is not None:
        layer.bias[channels] *= factor


@torch.no_grad()
def scale_inputs(layer: nn.Conv2d | nn.Linear, channels: Sequence[int] | slice, factor: float) -> None:
    """Multiply what the layer reads from these input channels: columns of the weight."""
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        if layer.groups != layer.in_channels or layer.groups != layer.out_channels:
            raise ValueError("only dense and depthwise convolutions are understood")
        layer.weight[channels] *= factor  # depthwise: row c reads channel c alone
    else:
        layer.weight[:, channels] *= factor


def plant(
    producers: Sequence[Layer], consumers: Sequence[nn.Conv2d | nn.Linear], channels: Sequence[int], factor: float
) -> None:
    """Scale a channel up by `factor` in all layers that add to it, and down in all that read it."""
    for layer in producers:
        scale_outputs(layer, channels, factor)
    for layer in consumers:
        scale_inputs(layer, channels, 1 / factor)


@torch.no_grad()
def plant_offset(norm: nn.LayerNorm, reader: nn.Linear, channels: Sequence[int], offset: float) -> None:
    """Add a constant to some of a norm's outputs, and take its effect out of the reader's bias."""
    norm.bias[channels] += offset
    reader.bias -= offset * reader.weight[:, channels].sum(1)
