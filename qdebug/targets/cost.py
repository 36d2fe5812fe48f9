"""What is counted, not modelled: bytes, bits per weight, bit-operations."""

from __future__ import annotations

import math
from collections.abc import Iterable

from qdebug.formats import find
from qdebug.recipes.plan import LayerPlan, Recipe
from qdebug.results import Cost, LayerInfo, ModelInfo, Size
from qdebug.targets.storage import stored_bits


def weight_bits(layer: LayerInfo, plan: LayerPlan) -> int:
    """Bits of a layer's stored weight, with scales, zero points and codebooks."""
    if plan.weight.is_float32:
        return math.prod(layer.weight_shape) * layer.weight_bits
    return stored_bits(layer.out_channels, layer.in_features, plan.weight)


def cost(layer: LayerInfo, plan: LayerPlan) -> Cost:
    """What a layer costs under a plan.

    Bit-operations are MACs · b_w · b_a (van Baalen et al. 2020, Bayesian Bits, arXiv 2005.07093; Baskin et
    al. 2018, UNIQ, arXiv 1804.10969, also count the accumulator). b_w and b_a are the bits of codes, whatever unit
    multiplies them; what is not quantized has 32.
    """
    bits = weight_bits(layer, plan)
    bops = layer.macs * find(plan.weight.format).bits * find(plan.activation.format).bits
    return Cost(
        bits=bits, bits_per_weight=bits / max(math.prod(layer.weight_shape), 1), macs=layer.macs, bops=round(bops)
    )


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
