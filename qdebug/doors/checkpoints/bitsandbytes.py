"""Checkpoints of bitsandbytes: NF4 in blocks, with or without double quantization, and LLM.int8().

NF4: ``weight`` holds two codes a byte, the first in the high half, of the whole weight row after row;
``weight.absmax`` a scale for each ``blocksize`` of them; what is no tensor is JSON in the bytes of
``weight.quant_state.bitsandbytes__nf4``. With double quantization ``absmax`` is codes of a table,
``nested_quant_map[code] · nested_absmax + nested_offset`` (Dettmers et al. 2023, arXiv 2305.14314).
LLM.int8(): ``weight`` int8 with ``SCB [out]``, the magnitude that code 127 stands for (Dettmers et al. 2022, arXiv
2208.07339).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints.bits import nibbles
from qdebug.doors.checkpoints.grids import leveled, uniform
from qdebug.doors.checkpoints.parts import Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError
from qdebug.formats import find
from qdebug.recipes import TensorPlan

NF4_STATE, FP4_STATE = (f"weight.quant_state.bitsandbytes__{kind}" for kind in ("nf4", "fp4"))
_STORAGE = (torch.uint8, torch.int8, torch.float16, torch.bfloat16, torch.float32)
_OUTLIERS = "Input channels beyond the threshold {} are multiplied in 16 bits (LLM.int8()); here all are int8."


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the table of levels is not that of NF4.
    """
    if parts.has("SCB"):
        return _int8(parts, config)
    if parts.has(FP4_STATE):
        raise ModelError(
            f"'{parts.module}' is stored in bitsandbytes' FP4, whose levels no format here has (it is not E2M1)",
            do="Save the model as nf4, or in 16 bits.",
        )  # fmt: skip
    state = _state(parts)
    rows, columns = _shape(parts, state)
    block = _whole(parts, state, "blocksize")
    count = rows * columns
    stored = parts.get("weight", _STORAGE).contiguous().view(torch.uint8).reshape(-1)
    if len(stored) != -(-count // 2):
        parts.refuse("weight", f"has {len(stored)} bytes; {rows}×{columns} codes of 4 bits have {-(-count // 2)}")
    levels = parts.get("weight.quant_map", (torch.float32,), (16,))
    if not torch.equal(levels, torch.tensor(find("nf4").levels)):
        parts.refuse("weight.quant_map", "is not the table of NF4")
    codes = nibbles(stored, high_first=True)[:count].view(rows, columns)
    scale, double = _absmax(parts, state, -(-count // block))
    how = "double" if double else "fp32"
    if columns % block == 0:
        plan, grid, codes = leveled("nf4", codes, scale.view(rows, -1), block, scales=how)
    else:  # blocks run past the ends of rows: a scale for each value says the same
        each = scale[torch.arange(count) // block].view(rows, columns)
        plan, grid, codes = leveled("nf4", codes, each, 1, group=block, scales=how)
    return StoredLinear(parts.module, plan, grid, codes)


def _state(parts: Parts) -> Mapping[str, Any]:
    packed = parts.get(NF4_STATE, (torch.uint8,), (None,))
    try:
        state = json.loads(bytes(packed.tolist()).decode("utf-8"))
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        parts.refuse(NF4_STATE, "is no JSON object")
    return state


def _shape(parts: Parts, state: Mapping[str, Any]) -> tuple[int, int]:
    said = state.get("shape")
    if isinstance(said, list) and len(said) == 2 and all(isinstance(one, int) and 0 < one < 1 << 31 for one in said):
        return said[0], said[1]
    parts.refuse(NF4_STATE, f"says the shape {said!r}, which is that of no linear layer")


def _whole(parts: Parts, state: Mapping[str, Any], key: str) -> int:
    said = state.get(key)
    if not isinstance(said, int) or isinstance(said, bool) or not 0 < said < 1 << 31:
        parts.refuse(NF4_STATE, f"says {key} {said!r}, no positive whole number")
    return said


def _absmax(parts: Parts, state: Mapping[str, Any], blocks: int) -> tuple[Tensor, bool]:
    """Each block's scale, float32; and whether scales are stored in 8 bits."""
    if not parts.has("weight.nested_absmax"):
        return parts.scale("weight.absmax", (blocks,)), False
    codes = parts.get("weight.absmax", (torch.uint8,), (blocks,))
    size = _whole(parts, state, "nested_blocksize")
    offset = state.get("nested_offset")
    if not isinstance(offset, (int, float)) or isinstance(offset, bool):
        parts.refuse(NF4_STATE, f"says nested_offset {offset!r}, no number")
    outer = parts.scale("weight.nested_absmax", (-(-blocks // size),), kinds=(torch.float32,))
    table = parts.get("weight.nested_quant_map", (torch.float32,), (256,))
    scale = table[codes.long()] * outer[torch.arange(blocks) // size] + torch.tensor(float(offset))
    if not bool(torch.isfinite(scale).all()):
        parts.refuse("weight.nested_absmax", "makes a scale that is no number")
    return scale, True  # the 8-bit type can bring the smallest back below zero; what runs multiplies by that, too


def _int8(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    weight = parts.get("weight", (torch.int8,), (None, None))
    scale = parts.scale("SCB", (len(weight),)).reshape(-1, 1) / 127
    plan, grid, codes = uniform(weight, scale, None, -128, 8, scales="fp32")
    threshold = config.get("llm_int8_threshold", 6.0)
    unsaid = (_OUTLIERS.format(threshold),) if threshold else ()
    return StoredLinear(parts.module, plan, grid, codes, TensorPlan("int8", "token", dynamic=True), unsaid=unsaid)
