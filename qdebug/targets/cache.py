"""What keys and values take while text is generated: bytes of a token in the caches of all attentions."""

from __future__ import annotations

import math
from collections.abc import Iterable

from qdebug.formats import find
from qdebug.recipes.plan import AttentionPlan, TensorPlan
from qdebug.results import AttentionInfo, CacheSize
from qdebug.targets.storage import stored_bits

_FLOAT = 16
"""Bits of a number that is not quantized, as runtimes keep a cache; and of a group's scale, and of its minimum."""
_SCALES = {"fp32": 32, "fp16": 16, "bf16": 16, "e8m0": 8}


def cache_size(attentions: Iterable[AttentionInfo], plan: AttentionPlan) -> CacheSize | None:
    """What a token takes in the caches of these attentions under a plan; None where there is none.

    Each scale counts 16 bits unless the plan says otherwise, as KIVI and llama.cpp store them, and so does the minimum
    of a group in an affine plan. What all tokens share counts nothing.
    """
    numbers, bits = 0, 0.0
    for one in attentions:
        for tensor, count, head in ((plan.keys, one.keys, one.head[0]), (plan.values, one.values, one.head[1])):
            numbers += count
            bits += count / max(head, 1) * token_bits(tensor, head)
    if not numbers:
        return None
    return CacheSize(
        fp16_bytes=numbers * _FLOAT / 8, quantized_bytes=bits / 8, bits_per_value=bits / numbers, window=plan.window
    )


def token_bits(plan: TensorPlan, head: int) -> float:
    """Bits of one token of one head of so many channels."""
    form = find(plan.format)
    if plan.is_float32:
        return float(head * _FLOAT)
    if form.own_blocks or form.is_cast:
        return float(stored_bits(1, head, plan))
    shares = {
        "tensor": 0.0, "token": 1.0, "group": float(math.ceil(head / max(plan.group_size, 1))),
        "channel": head / max(plan.group_size, 1),
    }[plan.granularity]  # fmt: skip
    each = _SCALES.get(plan.scale_format or "", _FLOAT)
    return head * form.bits + shares * each * (1 if plan.symmetric else 2)
