"""A safetensors file written a tensor at a time, for tensors that together are more than memory holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from qdebug.graph.filed import plain

_TITLES = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def streamed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a file, a piece at a time.

    The format (https://github.com/huggingface/safetensors#format): the header's length, the header, the data without
    holes. The widest types come first, so that each lies at a multiple of its width.

    Args:
        tensors: by name; each is read when its turn comes.
        metadata: strings to go with them.
    """
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        one, start = tensors[name], end
        end += one.numel() * one.element_size()
        header[name] = {"dtype": _TITLES[one.dtype], "shape": list(one.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        values = plain(tensors[name]).detach().contiguous()
        yield values.view(-1).view(torch.uint8).numpy().data
