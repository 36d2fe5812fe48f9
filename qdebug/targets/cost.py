"""What is counted, not modelled: bytes, bits per weight, bit-operations."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from qdebug.formats import find
from qdebug.recipes.plan import LayerPlan, Recipe, TensorPlan
from qdebug.recipes.sparsity import is_thin
from qdebug.results import Cost, LayerInfo, ModelInfo, Size
from qdebug.targets.storage import kept_values, stored_bits

_MIDDLE = 16
"""Bits of the values between two factors."""


def weight_bits(layer: LayerInfo, plan: LayerPlan) -> int:
    """Bits of a layer's stored weight, with scales, zero points and codebooks."""
    if plan.weight.is_float32:
        return math.prod(layer.weight_shape) * layer.weight_bits
    return stored_bits(layer.out_channels, layer.in_features, plan.weight, kernel_of(layer))


def kernel_of(layer: LayerInfo) -> int:
    """Places of a convolution's kernel; 1 of other layers."""
    return math.prod(layer.weight_shape[2:]) if layer.kind == "conv" else 1


def cost(layer: LayerInfo, plan: LayerPlan) -> Cost:
    """What a layer costs under a plan.

    Bit-operations are MACs · b_w · b_a (van Baalen et al. 2020, Bayesian Bits, arXiv 2005.07093; Baskin et
    al. 2018, UNIQ, arXiv 1804.10969, also count the accumulator). b_w and b_a are the bits of codes, whatever unit
    multiplies them; what is not quantized has 32. Products with pruned weights are not counted, as if all were skipped;
    of two factors of rank r there are r · (rows + columns) products in the place of rows · columns, and what the first
    hands the second counts 16 bits, or the input's where these are more.
    """
    bits = weight_bits(layer, plan)
    rows, columns = layer.out_channels, layer.in_features
    own, read = find(plan.weight.format).bits, find(plan.activation.format).bits
    first, second = products(layer, plan)
    if second:
        macs, bops = first + second, own * (first * read + second * max(_MIDDLE, read))
    else:
        macs = layer.macs * kept_values(rows, columns, plan.weight, kernel_of(layer))[0] / max(rows * columns, 1)
        bops = macs * own * read
    return Cost(
        bits=bits, bits_per_weight=bits / max(math.prod(layer.weight_shape), 1), macs=round(macs), bops=round(bops)
    )


def products(layer: LayerInfo, plan: LayerPlan) -> tuple[float, float]:
    """Multiply-accumulates of a sample that read the layer's input, and those of a second factor, which read the first.

    Pruned weights count as if they were whole; there is no second factor where the weight is in one piece.
    """
    rows, columns, rank = layer.out_channels, layer.in_features, plan.weight.rank
    if is_thin(rows, columns, rank):
        return layer.macs * rank / rows, layer.macs * rank / columns
    return float(layer.macs), 0.0


def after_first(plan: LayerPlan) -> LayerPlan:
    """How the second of two factors is multiplied: by what the first hands it, in 16 bits, or the input's if more."""
    wide = find(plan.activation.format).bits >= _MIDDLE
    return plan if wide else replace(plan, activation=TensorPlan("fp16"))


def total_bops(layers: Iterable[LayerInfo], recipe: Recipe) -> int:
    """Bit-operations of all layers for one sample."""
    return sum(cost(one, recipe.plan_for(one.name, one.kind)).bops for one in layers)


def model_size(info: ModelInfo, recipe: Recipe) -> Size:
    """The size of all parameters, float and under the recipe.

    A weight that several layers share counts once, at its widest use. What is no layer's weight stays as it was.
    """
    codes: dict[str, int] = {}
    floats: dict[str, int] = {}
    for layer in info.layers:
        name = layer.weight_name or layer.name
        bits = weight_bits(layer, recipe.plan_for(layer.name, layer.kind))
        codes[name] = max(codes.get(name, 0), bits)
        floats[name] = math.prod(layer.weight_shape) * layer.weight_bits
    total = info.float_bytes * 8 - sum(floats.values()) + sum(codes.values())
    return Size(
        float_bytes=info.float_bytes, quantized_bytes=-(-total // 8), bits_per_weight=total / max(info.params, 1)
    )
