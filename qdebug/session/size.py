"""Bytes of a model under a recipe."""

from __future__ import annotations

import math

from qdebug.formats import find
from qdebug.recipes import Recipe, TensorPlan
from qdebug.results import LayerInfo, Size
from qdebug.session.subject import Subject


def weight_bits(info: LayerInfo, plan: TensorPlan) -> int:
    """Bits of a layer's weight with everything needed to read it again.

    Scales count 32 bits per tensor or channel, as ONNX stores them, and 16 bits per group, as GPTQ, AWQ and llama.cpp
    do. An affine tensor's zero points count one code each.
    """
    form = find(plan.format)
    values = math.prod(info.weight_shape)
    if not form.is_integer:
        return values * form.bits
    scales = _scales(info, plan)
    per_scale = (16 if plan.granularity == "group" else 32) + (0 if plan.symmetric else form.bits)
    return values * form.bits + scales * per_scale


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
        bits = own if plan.is_float32 else weight_bits(row, plan)
        codes[layer.weight] = max(codes.get(layer.weight, 0), bits)
        floats[layer.weight] = own
    total = info.float_bytes * 8 - sum(floats.values()) + sum(codes.values())
    return Size(
        float_bytes=info.float_bytes, quantized_bytes=-(-total // 8), bits_per_weight=total / max(info.params, 1)
    )


def _scales(info: LayerInfo, plan: TensorPlan) -> int:
    if plan.granularity == "tensor":
        return 1
    if plan.granularity == "channel":
        return info.out_channels
    return info.out_channels * -(-info.in_features // plan.group_size)
