"""Bytes of a model under a recipe."""

from __future__ import annotations

import math

from qdebug.quantize.storage import stored_bits
from qdebug.recipes import Recipe
from qdebug.results import Size
from qdebug.session.subject import Subject


def size(subject: Subject, recipe: Recipe) -> Size:
    """The size of all parameters, float and under the recipe.

    A weight that several layers share counts once, at its widest use.
    """
    info = subject.info
    codes: dict[int, int] = {}
    floats: dict[int, int] = {}
    for layer, row in zip(subject.layers, info.layers, strict=True):
        plan = recipe.plan_for(layer.name, layer.kind).weight
        tensor = subject.program.state.get(layer.weight)
        own = math.prod(row.weight_shape) * (tensor.element_size() if tensor is not None else 4) * 8
        bits = own if plan.is_float32 else stored_bits(row.out_channels, row.in_features, plan)
        codes[layer.weight] = max(codes.get(layer.weight, 0), bits)
        floats[layer.weight] = own
    total = info.float_bytes * 8 - sum(floats.values()) + sum(codes.values())
    return Size(
        float_bytes=info.float_bytes, quantized_bytes=-(-total // 8), bits_per_weight=total / max(info.params, 1)
    )
