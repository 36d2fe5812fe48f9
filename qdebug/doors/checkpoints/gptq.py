"""GPTQ checkpoints, as AutoGPTQ and GPTQModel write them (``qweight``, ``qzeros``, ``scales``, ``g_idx``).

Along the input features, codes of 2, 3, 4 or 8 bits form one stream of bits in words of 32: ``qweight [in·bits/32,
out]``. Zero points lie so along the output features: ``qzeros [groups, out·bits/32]``. The first version of the layout
stores each zero point less one, modulo 2^bits; ``checkpoint_format: gptq_v2`` stores it as it is. ``g_idx [in]`` tells
each input feature's group, which is not its place divided by the group's size where ``desc_act`` has sorted features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints.bits import unpacked, words_for
from qdebug.doors.checkpoints.config import entry, integer, one_of
from qdebug.doors.checkpoints.grids import by_column, uniform
from qdebug.doors.checkpoints.parts import SCALE_FORMATS, Parts
from qdebug.doors.checkpoints.schemes import named
from qdebug.doors.checkpoints.stored import StoredLinear

MARK = "qweight"
BITS = (2, 3, 4, 8)
_WORDS = (torch.int32,)


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the config asks for what there is no reading of.
    """
    config = _own(parts.module, config)
    bits = integer(config, "bits", 4, among=BITS)
    version = one_of(config, "checkpoint_format", ("gptq", "gptq_v2"), "gptq")
    scales = parts.scale("scales", (None, None))
    groups, outputs = scales.shape
    words = parts.get("qweight", _WORDS, (None, outputs))
    inputs = words.shape[0] * 32 // bits
    if words_for(inputs, bits) != words.shape[0] or not inputs:
        parts.refuse("qweight", f"has {words.shape[0]} rows, which are no whole number of {bits}-bit codes")
    zeros = unpacked(parts.get("qzeros", _WORDS, (groups, words_for(outputs, bits))), bits, outputs)
    if version == "gptq":
        zeros = zeros + 1 & (1 << bits) - 1
    index, size = _groups(parts, config, inputs, groups)
    scale, zero = scales.T.contiguous(), zeros.T.contiguous()
    group = 0 if groups == 1 else size
    stored = SCALE_FORMATS[parts.tensors[parts.name("scales")].dtype]
    codes = unpacked(words.T.contiguous(), bits, inputs)
    if index is not None:
        scale, zero = by_column(scale, index), by_column(zero, index)
    plan, grid, codes = uniform(
        codes, scale, zero, 0, bits, group if index is None else 1, group=group, scales=stored
    )  # fmt: skip
    return StoredLinear(parts.module, plan, grid, codes)


def _own(module: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config with what GPTQModel's ``dynamic`` says of a module: the first pattern that fits its name."""
    dynamic = entry(config, "dynamic")
    for pattern in dynamic:
        if not pattern.startswith("-:") and named(module, f"re:{pattern.removeprefix('+:')}"):
            return {**config, **entry(dynamic, pattern)}
    return config


def _groups(parts: Parts, config: Mapping[str, Any], inputs: int, groups: int) -> tuple[Tensor | None, int]:
    """Each input feature's group, None where groups lie side by side; and how many features are in one."""
    said = integer(config, "group_size", -1)
    size = inputs if said <= 0 else said
    if -(-inputs // size) != groups:
        parts.refuse("scales", f"has {groups} groups; {inputs} input features in groups of {size} make another number")
    if not parts.has("g_idx"):
        return None, size
    index = parts.get("g_idx", (torch.int32, torch.int64), (inputs,))
    if bool((index < 0).any()) or bool((index >= groups).any()):
        parts.refuse("g_idx", f"points to a group that is none of the {groups}")
    plain = bool(torch.equal(index.long(), torch.arange(inputs) // size))
    return (None if plain or groups == 1 else index), size
