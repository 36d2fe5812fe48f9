"""A stored tensor as float32 values, whole or some of its rows, read when they are asked for."""

from __future__ import annotations

import math
from typing import BinaryIO

import torch
from torch import Tensor

from qdebug.doors.stored.tensors import StoredTensor
from qdebug.errors import FileError
from qdebug.graph.filed import FiledTensor

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
"""Types of which a value is a float32 without loss, as the files spell them."""


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
        return _filled(tensor, dtype, [(0, tensor.count)]).view(tensor.shape)

    def read_rows(wanted: Tensor) -> Tensor:
        runs = [(place * row, row) for place in wanted.tolist()]
        return _filled(tensor, dtype, runs).view(-1, *tensor.shape[1:])

    return FiledTensor(tensor.shape, read, read_rows if len(tensor.shape) > 1 else None)


def _filled(tensor: StoredTensor, dtype: torch.dtype, runs: list[tuple[int, int]]) -> Tensor:
    """Runs of values, each given by its first and its length, one behind the other, as float32."""
    values = torch.empty(sum(length for _, length in runs), dtype=dtype)
    room = memoryview(values.view(torch.uint8).numpy())
    place = 0
    try:
        with tensor.file.open("rb", buffering=0) as stream:
            for first, length in runs:
                stream.seek(tensor.start + first * dtype.itemsize)
                _fill(stream, room[place : place + length * dtype.itemsize], tensor)
                place += length * dtype.itemsize
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file=tensor.file, do="Check the disk.") from None
    return values.float()


def _fill(stream: BinaryIO, room: memoryview, tensor: StoredTensor) -> None:
    done = 0
    while done < len(room):
        got = stream.readinto(room[done:])
        if not got:
            raise FileError(
                "The file has become shorter while it was read", file=tensor.file, tensor=tensor.name,
                do="Wait until whoever writes it is done.",
            )  # fmt: skip
        done += got
