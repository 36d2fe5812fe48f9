"""Bits that a quantized matrix takes, with everything needed to read it again."""

from __future__ import annotations

import math

from qdebug.formats import Block, Codebook, Float, Gguf, find
from qdebug.recipes import TensorPlan

SECOND = 256
"""Scales that share a scale of their own under double quantization (Dettmers et al. 2023, section 3)."""


def stored_bits(rows: int, columns: int, plan: TensorPlan) -> int:
    """Bits of a matrix ``[rows, columns]`` under a plan.

    Codes, scales, zero points (one code each) and codebooks. Where the plan does not say how scales are stored they
    count 32 bits per tensor, channel or token, as ONNX stores them, and 16 bits per group or tile, as GPTQ, AWQ and
    llama.cpp do (nf4's groups 32, as bitsandbytes).
    """
    form = find(plan.format)
    values = rows * columns
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
    return math.ceil(values * form.bits) + _scale_bits(_scales(rows, columns, plan), plan, math.ceil(form.bits))


def _scale_bits(scales: int, plan: TensorPlan, code: int) -> int:
    """Bits of so many scales and, in an affine plan, zero points."""
    zero_points = 0 if plan.symmetric else scales * code
    if plan.scale_format == "double":
        return zero_points + scales * 8 + 32 * -(-scales // SECOND) + 32
    grouped = plan.granularity in ("group", "block") and not find(plan.format).group
    usual = 16 if grouped else 32
    each = {"fp32": 32, "fp16": 16, "bf16": 16, "e8m0": 8}.get(plan.scale_format or "", usual)
    return zero_points + scales * each


def _scales(rows: int, columns: int, plan: TensorPlan) -> int:
    match plan.granularity:
        case "channel" | "token":
            return rows
        case "group":
            return rows * -(-columns // plan.group_size)
        case "block":
            assert plan.block is not None
            return -(-rows // plan.block[0]) * -(-columns // plan.block[1])
    return 1
