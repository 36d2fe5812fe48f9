"""The values of a stored tensor, whole or some of its rows, read when they are asked for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qdebug.doors.stored.reading import fill
from qdebug.doors.stored.tensors import StoredTensor
from qdebug.errors import FileError
from qdebug.graph.filed import FiledTensor

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
"""Types of which a value is a float32 without loss, as the files spell them."""
TYPES = DTYPES | {
    "F64": torch.float64, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz, "F8_E8M0": torch.float8_e8m0fnu, "C64": torch.complex64,
}  # fmt: skip
"""What torch calls the types whose values are a byte or more each."""


def filed(tensor: StoredTensor) -> FiledTensor:
    """A tensor that is read anew each time it is computed with.

    It is read, not mapped: a file that has become shorter is an error then, where touching a page that is gone would
    end the process.

    Args:
        tensor: of a type in :data:`DTYPES`.
    """
    dtype = DTYPES[tensor.title]
    row = math.prod(tensor.shape[1:])

    def read() -> Tensor:
        return whole(tensor).float()

    def read_rows(wanted: Tensor) -> Tensor:
        runs = [(place * row, row) for place in wanted.tolist()]
        return _filled(tensor, dtype, runs).float().view(-1, *tensor.shape[1:])

    return FiledTensor(tensor.shape, read, read_rows if len(tensor.shape) > 1 else None)


def whole(tensor: StoredTensor) -> Tensor:
    """A tensor in the type that it is stored in, and in memory of its own.

    Raises:
        FileError: its type is none that torch has, or the file cannot be read.
    """
    dtype = TYPES.get(tensor.title)
    if dtype is None:
        raise FileError(
            f"The type '{tensor.title}' of the tensor '{tensor.name}' is not understood", file=tensor.file,
            do=f"Store it as one of {', '.join(TYPES)}.",
        )  # fmt: skip
    return _filled(tensor, dtype, [(0, tensor.count)]).view(tensor.shape)


def _filled(tensor: StoredTensor, dtype: torch.dtype, runs: list[tuple[int, int]]) -> Tensor:
    """Runs of values, each given by its first and its length, one behind the other."""
    raw = torch.empty(sum(length for _, length in runs) * dtype.itemsize, dtype=torch.uint8)
    room = raw.numpy().data
    place = 0
    try:
        with tensor.file.open("rb", buffering=0) as stream:
            for first, length in runs:
                stream.seek(tensor.start + first * dtype.itemsize)
                fill(stream, room[place : place + length * dtype.itemsize], tensor)
                place += length * dtype.itemsize
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file=tensor.file, do="Check the disk.") from None
    return raw.view(dtype)
