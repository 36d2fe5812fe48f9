"""Bytes of a model under a recipe."""

from __future__ import annotations

import math

from qdebug.formats import Block, Codebook, Float, Gguf, find
from qdebug.quantize.scales import SECOND
from qdebug.recipes import Recipe, TensorPlan
from qdebug.results import LayerInfo, Size
from qdebug.session.subject import Subject


def weight_bits(info: LayerInfo, plan: TensorPlan) -> int:
    """Bits of a layer's weight with everything needed to read it again.

    Codes, scales, zero points (one code each) and codebooks. Where the plan does not say how scales are stored they count
    32 bits per tensor or channel, as ONNX stores them, and 16 bits per group or tile, as GPTQ, AWQ and llama.cpp do.
    """
    form = find(plan.format)
    rows, columns = info.out_channels, info.in_features
    values = math.prod(info.weight_shape)
    match form:
        case Float() if form.is_cast:
            return values * (form.stored_bits or math.ceil(form.bits))
        case Block():
            whole = 32 if form.scale == "e4m3" else 0
            return math.ceil(values * form.bits) + 8 * rows * -(-columns // form.size) + whole
        case Gguf():
            return rows * form.row_bits(columns)
        case Codebook():
            books = rows if plan.granularity == "channel" else 1
            words = rows * -(-columns // form.dimension)
            return words * round(form.bits * form.dimension) + books * form.codebook_bits
    return math.ceil(values * form.bits) + _scale_bits(_scales(info, plan), plan, math.ceil(form.bits))


def _scale_bits(scales: int, plan: TensorPlan, code: int) -> int:
    """Bits of so many scales and, in an affine plan, zero points."""
    zero_points = 0 if plan.symmetric else scales * code
    if plan.scale_format == "double":
        return zero_points + scales * 8 + 32 * -(-scales // SECOND) + 32
    usual = 16 if plan.granularity in ("group", "block") else 32
    each = {"fp32": 32, "fp16": 16, "bf16": 16, "e8m0": 8}.get(plan.scale_format or "", usual)
    return zero_points + scales * each


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
    match plan.granularity:
        case "channel":
            return info.out_channels
        case "group":
            return info.out_channels * -(-info.in_features // plan.group_size)
        case "block":
            assert plan.block is not None
            return -(-info.out_channels // plan.block[0]) * -(-info.in_features // plan.block[1])
    return 1
