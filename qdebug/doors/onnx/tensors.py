"""Stored tensors: out of the file itself, or out of a file beside it."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
import torch
from onnx import SparseTensorProto, TensorProto
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS, STRING, Element, name_of
from qdebug.doors.onnx.external import Folder
from qdebug.errors import FileError

LARGEST = 2**40
"""Elements of one tensor; more is a lie or a bomb."""

MOST_AXES = 64
"""Of one tensor: as many as NumPy has."""
_DATA = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")

_LOOSE = {
    "int32_data": np.int32, "int64_data": np.int64, "float_data": np.float32,
    "double_data": np.float64, "uint64_data": np.uint64,
}  # fmt: skip


def _field(element: Element) -> str:
    """The field of a ``TensorProto`` that holds values of a type one by one (onnx.proto)."""
    if element.name in ("float", "complex64"):
        return "float_data"
    if element.name in ("double", "complex128"):
        return "double_data"
    if element.name == "int64":
        return "int64_data"
    return "uint64_data" if element.name in ("uint32", "uint64") else "int32_data"


def read_tensor(proto: TensorProto, folder: Folder, owner: str) -> Tensor:
    """A stored tensor, checked and unpacked.

    Args:
        proto: as the file has it.
        folder: where files beside it may lie.
        owner: the value's name, for messages.

    Raises:
        FileError: its type is unknown, its sizes do not fit its data, or its data cannot be read.
    """
    element = ELEMENTS.get(proto.data_type)
    if element is None:
        held = "strings" if proto.data_type == STRING else f"the element {name_of(proto.data_type)}"
        _refuse(folder, owner, f"A stored tensor holds {held}, which no operator here takes")
    shape = _shape(proto, folder, owner)
    count = math.prod(shape)
    size = -(-count * element.bits // 8)
    if proto.data_location == TensorProto.EXTERNAL:
        return _shaped(folder.bytes(proto, owner, size), element, shape)
    if proto.HasField("segment"):
        _refuse(folder, owner, "A stored tensor is cut into segments, which nothing joins", shape)
    is_raw = proto.HasField("raw_data")
    field = _field(element)
    others = [name for name in _DATA if len(getattr(proto, name)) and (is_raw or name != field)]
    if others:
        own = "raw_data" if is_raw else field
        _refuse(folder, owner, f"A stored tensor's values belong in '{own}', but '{others[0]}' is there too", shape)
    if is_raw:
        raw = proto.raw_data
        if len(raw) != size:
            _refuse(folder, owner, f"A stored tensor has {len(raw)} bytes where {size} are needed", shape)
        return _shaped(_copied(raw), element, shape)
    return _one_by_one(proto, element, shape, count, folder, owner)


def read_sparse(proto: SparseTensorProto, folder: Folder, owner: str, most: int) -> Tensor:
    """A sparse stored tensor, as a dense one.

    Args:
        proto: as the file has it.
        folder: where files beside it may lie.
        owner: the value's name, for messages.
        most: elements that it may have.

    Raises:
        FileError: as for :func:`read_tensor`, or its places are not what onnx.proto asks for: whole numbers within the
            tensor, in ascending order, each once.
    """
    if proto.indices.data_type != TensorProto.INT64:
        _refuse(folder, owner, "The places of a sparse tensor have to be of the element int64")
    values = read_tensor(proto.values, folder, owner)
    places = read_tensor(proto.indices, folder, owner)
    shape = _shape(proto, folder, owner)
    count = math.prod(shape)
    if count > most:
        _refuse(folder, owner, f"A sparse tensor would unfold to {count} elements, {most} are read", shape)
    sizes = torch.tensor(shape, dtype=torch.int64)
    inside = places.dim() == 1 or (
        places.dim() == 2 and places.shape[1] == len(shape) and bool(((places >= 0) & (places < sizes)).all())
    )
    if inside and places.dim() == 2:
        steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        places = (places * torch.tensor(steps, dtype=torch.int64)).sum(1)
    if (
        not inside
        or values.dim() != 1
        or places.shape != values.shape
        or bool(((places < 0) | (places >= count)).any())
        or bool((places.diff() <= 0).any())
    ):
        _refuse(folder, owner, "The places of a sparse tensor do not fit its sizes", shape)
    # As bytes: torch cannot assign to elements of every type.
    width = values.element_size()
    dense = torch.zeros(count, width, dtype=torch.uint8)
    dense[places] = values.contiguous().view(-1).view(torch.uint8).view(-1, width)
    return dense.view(-1).view(values.dtype).view(shape)


def _shape(proto: TensorProto | SparseTensorProto, folder: Folder, owner: str) -> tuple[int, ...]:
    """A tensor's sizes, once they are known to be possible; an empty tensor has sizes too."""
    if len(proto.dims) > MOST_AXES:
        _refuse(folder, owner, f"A stored tensor has {len(proto.dims)} axes, {MOST_AXES} are read")
    shape = tuple(proto.dims)
    if any(size < 0 for size in shape) or math.prod(max(size, 1) for size in shape) > LARGEST:
        _refuse(folder, owner, "A stored tensor has impossible sizes", shape)
    return shape


def _copied(raw: bytes) -> Tensor:
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8) if raw else torch.zeros(0, dtype=torch.uint8)


def _shaped(raw: Tensor, element: Element, shape: tuple[int, ...]) -> Tensor:
    """Bytes as values; those of less than a byte one by one, the first in the low bits (onnx.proto)."""
    if not element.is_packed:
        if element.carrier == torch.bool:  # a file may hold any byte, torch's bool only two
            return raw.ne(0).reshape(shape)
        return raw.view(element.carrier).reshape(shape)
    return decoded(_unpacked(raw, element.bits)[: math.prod(shape)], element).reshape(shape)


def _unpacked(raw: Tensor, bits: int) -> Tensor:
    """Codes of less than a byte, one a byte; those of six bits lie four to three bytes, in one stream of bits."""
    if bits == 6:
        whole = torch.zeros(-(-raw.numel() // 3), 3, dtype=torch.int32)
        whole.view(-1)[: raw.numel()] = raw
        words = whole[:, 0] | whole[:, 1] << 8 | whole[:, 2] << 16
        return ((words.unsqueeze(-1) >> torch.arange(0, 24, 6)) & 63).reshape(-1).to(torch.uint8)
    shifts = torch.arange(8 // bits, dtype=torch.uint8) * bits
    return ((raw.unsqueeze(-1) >> shifts) & ((1 << bits) - 1)).reshape(-1)


def decoded(codes: Tensor, element: Element) -> Tensor:
    """Values of codes of less than a byte."""
    if element.name.startswith("uint"):
        return codes
    if element.name.startswith("int"):
        half = 1 << (element.bits - 1)
        return ((codes ^ half).to(torch.int8) - half).to(torch.int8)
    exponent, mantissa = (int(part) for part in element.name.removeprefix("float")[2::2])
    return _small_float(codes, exponent, mantissa)


def _small_float(codes: Tensor, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """Values of sign–exponent–mantissa codes without Inf and NaN (OCP MX specification 1.0, table 2)."""
    whole = codes.int()
    mantissa = (whole & ((1 << mantissa_bits) - 1)).float()
    exponent = (whole >> mantissa_bits) & ((1 << exponent_bits) - 1)
    bias = (1 << (exponent_bits - 1)) - 1
    normal = torch.ldexp(1 + mantissa / (1 << mantissa_bits), exponent - bias)
    subnormal = mantissa / (1 << mantissa_bits) * 2.0 ** (1 - bias)
    sign = 1 - 2 * ((whole >> (exponent_bits + mantissa_bits)) & 1).float()
    return torch.where(exponent == 0, subnormal, normal) * sign


def _one_by_one(
    proto: TensorProto, element: Element, shape: tuple[int, ...], count: int, folder: Folder, owner: str
) -> Tensor:
    """Values that the file holds in typed fields."""
    field = _field(element)
    loose = np.array(getattr(proto, field), dtype=_LOOSE[field])
    per = 2 if element.carrier.is_complex else 8 // element.bits if element.is_packed else 1
    wanted = count * 2 if element.carrier.is_complex else -(-count // per)
    if len(loose) != wanted:
        _refuse(folder, owner, f"A stored tensor has {len(loose)} values where {wanted} are needed", shape)
    if element.carrier.is_complex:
        return torch.view_as_complex(torch.from_numpy(loose).view(-1, 2)).reshape(shape)
    if element.bits == 6:  # one a value
        return decoded(torch.from_numpy((loose & 63).astype(np.uint8)), element).reshape(shape)
    if element.is_packed or (element.bits == 8 and element.carrier.is_floating_point):
        return _shaped(torch.from_numpy(loose.astype(np.uint8)), element, shape)
    if element.carrier in (torch.float16, torch.bfloat16):  # their bits, as integers
        return torch.from_numpy(loose.astype(np.uint16)).view(element.carrier).reshape(shape)
    return torch.from_numpy(loose).to(element.carrier).reshape(shape)


def _refuse(folder: Folder, owner: str, what: str, shape: Any = None) -> NoReturn:
    raise FileError(
        what, file=folder.file, tensor=owner, shape=None if shape is None else list(shape),
        do="The file is damaged: write it again.",
    )  # fmt: skip
