"""Tensors in the safetensors format: written by the child, one at a time, and read by the parent, each checked.

Format: eight bytes of header length, a JSON header, then the tensors' bytes without gaps
(https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

NAMES: dict[torch.dtype, str] = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint64: "U64", torch.uint32: "U32",
    torch.uint16: "U16", torch.uint8: "U8", torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
"""Types that every safetensors knows. Others are stored as their bytes; whoever reads them knows the type."""


class NotAsDeclared(Exception):  # noqa: N818 - turned into an error for people by whoever called
    """What the child left is not what it should be; the text says where."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors of any type, the widest first, so that each lies at a multiple of its width."""
    order = sorted(tensors, key=lambda key: -tensors[key].element_size())
    header: dict[str, object] = {}
    at = 0
    for key in order:
        tensor = tensors[key]
        size = tensor.numel() * tensor.element_size()
        shape = list(tensor.shape) if tensor.dtype in NAMES else [size]
        header[key] = {"dtype": NAMES.get(tensor.dtype, "U8"), "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for key in order:
            if tensors[key].numel():
                file.write(tensors[key].contiguous().reshape(-1).view(torch.uint8).numpy().data)


def read_tensors(path: Path, wanted: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> dict[str, Tensor]:
    """The tensors of a file, copied into memory of our own.

    Args:
        path: the file.
        wanted: type and shape by key: all that must be there, and all that may.

    Raises:
        NotAsDeclared: the file is malformed, or a tensor is missing, left over, or of another type or shape.
    """
    try:
        with safe_open(str(path), framework="pt") as stored:
            if set(stored.keys()) != set(wanted):
                raise NotAsDeclared("tensors are missing or left over")
            return {key: _one(stored, key, dtype, shape) for key, (dtype, shape) in wanted.items()}
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise NotAsDeclared(f"the tensors cannot be read: {type(error).__name__}") from None


def _one(stored: safe_open, key: str, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    name = NAMES.get(dtype, "U8")
    there = shape if dtype in NAMES else (math.prod(shape) * dtype.itemsize,)
    found = stored.get_slice(key)
    if found.get_dtype() != name or tuple(found.get_shape()) != there:
        raise NotAsDeclared(f"a tensor is {found.get_dtype()} {found.get_shape()} where {name} {list(there)} was said")
    tensor = stored.get_tensor(key).clone()
    if dtype == torch.bool:  # a byte that is neither 0 nor 1 is no truth value
        return tensor.view(torch.uint8) != 0
    return tensor if dtype in NAMES else tensor.view(dtype).reshape(shape)
