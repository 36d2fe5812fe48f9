"""Checkpoints of torchao in safetensors: ``Int8Tensor``, ``IntxUnpackedToInt8Tensor`` and ``Float8Tensor``.

A weight ``layer.weight`` lies in tensors such as ``layer._weight_qdata``, ``layer._weight_scale`` and
``layer._weight_zero_point``; which class it was and its block are JSON in the file's metadata under the weight's name
(torchao 0.18, ``prototype/safetensors``). Classes whose codes are shuffled for one kernel are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints.config import two_sizes
from qdebug.doors.checkpoints.grids import Read, by_tile, leveled, uniform
from qdebug.doors.checkpoints.parts import FLOATS, SCALE_FORMATS, Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError
from qdebug.recipes import FLOAT, TensorPlan

MARKS = ("_weight_qdata",)
_DATA = ("qdata", "scale", "zero_point", "act_pre_scale", "act_quant_scale", "act_quant_zero_point")
PARTS = frozenset({"weight", *(f"_weight_{one}" for one in _DATA)})
_READ = ("Int8Tensor", "IntxUnpackedToInt8Tensor", "Float8Tensor")


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the metadata are missing, or of a class that there is no reading of.
    """
    kind, said = _described(parts)
    if parts.has("_weight_act_pre_scale") or parts.has("_weight_act_quant_scale"):
        raise ModelError(
            f"'{parts.module}' scales its input by numbers in the checkpoint, of which there is no reading",
            do="Open the float checkpoint and quantize it here.",
        )
    codes = parts.get("_weight_qdata", (torch.float8_e4m3fn if kind == "Float8Tensor" else torch.int8,), (None, None))
    scale, size, block = _scale(parts, said, codes.shape)
    stored = SCALE_FORMATS[parts.tensors[parts.name("_weight_scale")].dtype]
    if kind == "Float8Tensor":
        found = leveled("fp8_e4m3fn", codes.view(torch.uint8), scale, size, block=block, scales=stored)
    else:
        found = _integers(parts, kind, said, codes, scale, size, block, stored)
    plan, grid, codes = found
    return StoredLinear(parts.module, plan, grid, codes, _activation(parts, kind, said))


def _described(parts: Parts) -> tuple[str, Mapping[str, Any]]:
    text = getattr(parts.tensors, "metadata", {}).get(parts.name("weight"))
    try:
        said = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("_data"), dict):
        raise ModelError(
            f"The metadata of the safetensors file do not describe '{parts.name('weight')}'",
            do="Save the model with torchao 0.15 or later.",
        )  # fmt: skip
    if said.get("_type") not in _READ:
        raise ModelError(f"There is no reading of torchao's {said.get('_type')}", do=f"Known: {', '.join(_READ)}.")
    return said["_type"], said["_data"]


def _scale(
    parts: Parts, said: Mapping[str, Any], shape: torch.Size
) -> tuple[Tensor, int, tuple[int, int] | None]:  # fmt: skip
    """Scales in the shape that a grid wants, the columns that share one (0: a row's), and the tile."""
    rows, columns = shape
    if not rows or not columns:
        parts.refuse("_weight_qdata", "is empty")
    block = two_sizes(said.get("block_size"))
    if block is None:
        raise ModelError(
            f"'{parts.module}': the metadata's block_size is {said.get('block_size')!r}, no two sizes",
            do="Write the checkpoint anew with the tool that made it.",
        )
    height, width = min(block[0], rows), min(block[1], columns)
    found = parts.scale("_weight_scale", (-(-rows // height), -(-columns // width)), (), (1,))
    if (height, width) == (rows, columns):
        return found.reshape(()), 0, None
    if found.dim() != 2:
        parts.refuse("_weight_scale", f"is one number where the metadata speak of blocks {height}×{width}")
    size = 0 if width == columns else width
    return by_tile(found, rows, height), size, (height, width) if height > 1 else None


def _integers(
    parts: Parts, kind: str, said: Mapping[str, Any], codes: Tensor, scale: Tensor, size: int,
    block: tuple[int, int] | None, stored: Any,
) -> Read:  # fmt: skip
    bits = 8
    if kind == "IntxUnpackedToInt8Tensor":
        name = str(_inside(said, "target_dtype").get("_data"))
        bits = int(name.removeprefix("int")) if name in {f"int{n}" for n in range(2, 9)} else 0
        if not bits:
            raise ModelError(
                f"'{parts.module}': there is no reading of codes of {name}",
                do="Open the float checkpoint and quantize it here.",
            )
    zero = None
    if parts.has("_weight_zero_point"):
        given = parts.get("_weight_zero_point", (torch.int8, *FLOATS))
        if given.is_floating_point() and bool((given != given.round()).any()):
            raise ModelError(
                f"'{parts.module}' has zero points that are no whole numbers, which no grid here has",
                do="Open the float checkpoint and quantize it here.",
            )
        if given.numel() == scale.numel():
            zero = given.reshape(scale.shape)
        elif given.dim() == 2:
            zero = by_tile(given, len(codes), block[0]) if block and len(given) * block[0] >= len(codes) else given
        if zero is None or zero.shape != scale.shape:
            parts.refuse("_weight_zero_point", f"has the shape {list(given.shape)}, which is not that of the scales")
    low = -(1 << (bits - 1))
    if bool((codes < low).any()) or bool((codes > -low - 1).any()):
        parts.refuse("_weight_qdata", f"holds codes of more than {bits} bits")
    return uniform(codes, scale, zero, low, bits, size, block=block, scales=stored)


def _activation(parts: Parts, kind: str, said: Mapping[str, Any]) -> TensorPlan:
    """How the input is quantized, always at run time."""
    if kind == "IntxUnpackedToInt8Tensor":
        word = _inside(said, "activation_quantization").get("_data", said.get("activation_quantization"))
        if word is None:
            return FLOAT
        if word != "int8_asym_per_token":
            raise ModelError(
                f"'{parts.module}': there is no reading of inputs quantized as {word!r}",
                do="Open the float checkpoint and quantize it here.",
            )
        return TensorPlan("int8", "token", dynamic=True, symmetric=False)
    if not said.get("act_quant_kwargs"):
        return FLOAT
    details = _inside(_inside(said, "act_quant_kwargs"), "_data")
    sharing = _inside(details, "granularity").get("_type")
    symmetric = _inside(details, "mapping_type").get("_data", "SYMMETRIC") == "SYMMETRIC"
    name = "fp8_e4m3fn" if kind == "Float8Tensor" else "int8"
    if sharing == "PerTensor":
        return TensorPlan(name, symmetric=symmetric, dynamic=True)
    if sharing != "PerRow":
        raise ModelError(
            f"'{parts.module}': there is no reading of input scales by {sharing}",
            do="Open the float checkpoint and quantize it here.",
        )
    return TensorPlan(name, "token", dynamic=True, symmetric=symmetric)


def _inside(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside the metadata; empty where there is none."""
    found = said.get(key)
    return found if isinstance(found, dict) else {}
