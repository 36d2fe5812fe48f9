"""Bytes that a layer moves between memory and processor."""

from __future__ import annotations

import math

from msgspec.structs import replace

from qdebug.formats import find
from qdebug.recipes.plan import LayerPlan, Recipe, TensorPlan
from qdebug.results import LayerInfo
from qdebug.targets.cost import weight_bits

_INDEX = 64
_FLOAT = 32


def moved_bytes(
    layer: LayerInfo, plan: LayerPlan, recipe: Recipe, batch: int = 1, *, sparse: bool = False
) -> float:  # fmt: skip
    """Bytes read and written for a batch, each value once (nothing is kept from the layer before).

    Weights are read as stored, once for the batch; of an embedding, the rows that are looked up (64-bit indices).
    Static activations are read as codes; those whose range is found at run time are read as float32. What is written
    has the recipe's format between layers, or the layer's own 16-bit floats, or float32. Biases have 32 bits. Pruned
    weights are read as if they were whole, unless ``sparse`` says that the kernel reads them as they are stored; of two
    factors both are read, what is between them is not counted.
    """
    weight = weight_bits(layer, plan if sparse else replace(plan, weight=replace(plan.weight, sparsity=None)))
    reads = layer.input_values * batch
    if layer.kind == "embedding":
        looked_up = min(1.0, reads / max(layer.out_channels, 1))
        return (weight * looked_up + reads * _INDEX + layer.output_values * batch * _FLOAT) / 8
    biases = (layer.params - math.prod(layer.weight_shape)) * _FLOAT
    written = layer.output_values * batch * _written(plan.activation, recipe.between)
    return (weight + biases + reads * _read(plan.activation) + written) / 8


def _read(plan: TensorPlan) -> float:
    dynamic = plan.dynamic or plan.granularity == "token"
    return _FLOAT if dynamic else find(plan.format).bits_per_weight


def _written(activation: TensorPlan, between: TensorPlan) -> float:
    if not between.is_float32:
        return find(between.format).bits_per_weight
    form = find(activation.format)
    return form.bits_per_weight if form.is_cast else _FLOAT
