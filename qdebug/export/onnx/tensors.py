"""Tensors as ONNX stores them, and which of its types holds which codes."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

_INTEGERS = (
    (TensorProto.INT4, -8, 7), (TensorProto.INT8, -128, 127), (TensorProto.INT16, -32768, 32767),
    (TensorProto.UINT4, 0, 15), (TensorProto.UINT8, 0, 255), (TensorProto.UINT16, 0, 65535),
)  # fmt: skip
_CARRIERS: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32, TensorProto.DOUBLE: torch.float64, TensorProto.INT64: torch.int64,
    TensorProto.INT8: torch.int8, TensorProto.UINT8: torch.uint8, TensorProto.INT16: torch.int16,
    TensorProto.UINT16: torch.uint16, TensorProto.INT32: torch.int32, TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16, TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn,
    TensorProto.FLOAT8E5M2: torch.float8_e5m2, TensorProto.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
}  # fmt: skip
FLOAT8 = {
    "fp8_e4m3fn": TensorProto.FLOAT8E4M3FN, "fp8_e5m2": TensorProto.FLOAT8E5M2,
    "fp8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ, "fp8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
}  # fmt: skip
"""Element types of float formats of 8 bits."""
HALVES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
"""Element types of float formats of 16 bits."""
OF_FOUR_BITS = (TensorProto.INT4, TensorProto.UINT4)


def integer(qmin: int, qmax: int, *, smallest: int = 4) -> tuple[int, int, int] | None:
    """The smallest type that holds all codes, and its own limits; None where they are too large for any.

    Args:
        qmin: the lowest code; types for codes below zero are signed.
        qmax: the highest one.
        smallest: bits of the smallest type to be considered.
    """
    for elem, low, high in _INTEGERS:
        if (low < 0) == (qmin < 0) and low <= qmin and qmax <= high and high - low >= 2**smallest - 1:
            return int(elem), low, high
    return None


def bits_of(elem: int) -> int:
    """Bits of an element of a type of codes."""
    return 4 if elem in OF_FOUR_BITS else 8 * _CARRIERS[elem].itemsize


def tensor(name: str, values: Tensor, elem: int = TensorProto.FLOAT) -> TensorProto:
    """A stored tensor.

    Args:
        name: its name.
        values: any shape and order in memory; rounded to the type, which for codes must change nothing.
        elem: an element type; two of four bits share a byte, the first in the low half (onnx.proto).
    """
    proto = TensorProto(name=name, data_type=elem, dims=list(values.shape))
    whole = values.detach().cpu().contiguous()
    if elem in OF_FOUR_BITS:
        codes = whole.reshape(-1).to(torch.int64).numpy().astype(np.uint8) & 15
        codes = np.append(codes, np.zeros(len(codes) % 2, np.uint8))
        proto.raw_data = (codes[0::2] | codes[1::2] << 4).tobytes()
        return proto
    flat = whole.to(_CARRIERS[elem]).reshape(-1)
    proto.raw_data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return proto
