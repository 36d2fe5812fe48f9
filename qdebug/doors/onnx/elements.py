"""Element types of ONNX, and what carries them here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Element:
    """An element type.

    Attributes:
        name: as ONNX spells it, in lower case.
        carrier: the torch type its values have here. Types of less than a byte are carried one value a byte, and
            float4 and float6, which torch cannot hold one a byte, by float32 of the same values.
        bits: bits in the file.
    """

    name: str
    carrier: torch.dtype
    bits: int

    @property
    def is_packed(self) -> bool:
        """Whether several values share a byte in the file."""
        return self.bits < 8


ELEMENTS: dict[int, Element] = {
    1: Element("float", torch.float32, 32),
    2: Element("uint8", torch.uint8, 8),
    3: Element("int8", torch.int8, 8),
    4: Element("uint16", torch.uint16, 16),
    5: Element("int16", torch.int16, 16),
    6: Element("int32", torch.int32, 32),
    7: Element("int64", torch.int64, 64),
    9: Element("bool", torch.bool, 8),
    10: Element("float16", torch.float16, 16),
    11: Element("double", torch.float64, 64),
    12: Element("uint32", torch.uint32, 32),
    13: Element("uint64", torch.uint64, 64),
    14: Element("complex64", torch.complex64, 64),
    15: Element("complex128", torch.complex128, 128),
    16: Element("bfloat16", torch.bfloat16, 16),
    17: Element("float8e4m3fn", torch.float8_e4m3fn, 8),
    18: Element("float8e4m3fnuz", torch.float8_e4m3fnuz, 8),
    19: Element("float8e5m2", torch.float8_e5m2, 8),
    20: Element("float8e5m2fnuz", torch.float8_e5m2fnuz, 8),
    21: Element("uint4", torch.uint8, 4),
    22: Element("int4", torch.int8, 4),
    23: Element("float4e2m1", torch.float32, 4),
    24: Element("float8e8m0", torch.float8_e8m0fnu, 8),
    25: Element("uint2", torch.uint8, 2),
    26: Element("int2", torch.int8, 2),
    27: Element("float6e2m3", torch.float32, 6),
    28: Element("float6e3m2", torch.float32, 6),
}
"""By number of ``TensorProto.DataType`` (onnx.proto). Strings are not among them: no operator here takes one."""

STRING = 8


def elem_of(tensor: Tensor, said: int = 0) -> int:
    """The element type of a tensor: what is said of it, else the plain one that its carrier has."""
    return said or next(number for number, element in ELEMENTS.items() if element.carrier == tensor.dtype)


def name_of(elem: int) -> str:
    """An element type in words."""
    if elem == STRING:
        return "string"
    return ELEMENTS[elem].name if elem in ELEMENTS else f"type {elem}"
