"""Bits that a quantized matrix takes, with everything needed to read it again."""

from __future__ import annotations

import math

from msgspec.structs import replace

from qdebug.formats import Block, Codebook, Float, Gguf, QFormat, find
from qdebug.recipes import TensorPlan
from qdebug.recipes.sparsity import is_thin, parse_sparsity, pruned_count

SECOND = 256
"""Scales that share a scale of their own under double quantization (Dettmers et al. 2023, section 3)."""


def stored_bits(rows: int, columns: int, plan: TensorPlan, kernel: int = 1) -> int:
    """Bits of a matrix ``[rows, columns]`` under a plan; each input channel has ``kernel`` columns.

    Codes, scales, zero points (one code each) and codebooks. Where the plan does not say how scales are stored they
    count 32 bits per tensor, channel or token, as ONNX stores them, and 16 bits per group or tile, as GPTQ, AWQ and
    llama.cpp do (nf4's groups 32, as bitsandbytes).

    Of a pruned matrix only what is kept, and where it is: ⌈log₂ (M choose N)⌉ bits for each group of N:M (2:4: 3, where
    NVIDIA's kernels store 4), one bit for each value where the smallest are pruned wherever they are. Two factors of a
    rank r count as matrices ``[rows, r]`` and ``[r, columns]``, where these hold fewer values.
    """
    if plan.rank:
        whole = replace(plan, rank=0)
        if is_thin(rows, columns, plan.rank):
            return stored_bits(rows, plan.rank, whole) + stored_bits(plan.rank, columns, whole)
        return stored_bits(rows, columns, whole, kernel)
    form = find(plan.format)
    values, places = kept_values(rows, columns, plan, kernel)
    return places + _bits(form, values, rows, columns, plan)


def kept_values(rows: int, columns: int, plan: TensorPlan, kernel: int = 1) -> tuple[int, int]:
    """Values of a matrix that are not pruned, and the bits that say where they are; see :func:`stored_bits`."""
    found = parse_sparsity(plan.sparsity) if plan.sparsity else None
    if found is None:
        return rows * columns, 0
    if not found.of:
        return rows * columns - pruned_count(rows * columns, found), rows * columns
    groups = columns // kernel // found.of
    return rows * (columns - kernel * groups * (found.of - found.kept)), rows * kernel * groups * found.index_bits


def _bits(form: QFormat, values: int, rows: int, columns: int, plan: TensorPlan) -> int:
    """Codes, scales, zero points and codebooks of so many values."""
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
