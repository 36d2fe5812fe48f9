"""A stored tensor's bytes, a piece at a time.

Files are read, not mapped: a file that becomes shorter while it is read is then an error that says so, where touching
a page that is gone would end the process; and what is read lies in the cache when it is computed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from qdebug.doors.stored.tensors import StoredTensor
from qdebug.errors import FileError

AT_ONCE = 1 << 19
"""Values of a piece, where rows are not longer."""

LONGEST = 1 << 24
"""Values up to which rows that have to stay together, or one long row, are kept in one piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows, or, of rows longer than :data:`LONGEST`, a part of one.

    Attributes:
        raw: the bytes, ``[n]``; valid until the next piece is asked for.
        rows: how many; 1 for a part.
        columns: values of a row, or of the part.
    """

    raw: NDArray[np.uint8]
    rows: int
    columns: int


def are_whole(tensor: StoredTensor, height: int = 1) -> bool:
    """Whether pieces are ``height`` whole rows, or a multiple."""
    return tensor.matrix[1] * height <= LONGEST


def pieces(tensor: StoredTensor, height: int = 1) -> Iterator[Piece]:
    """All bytes of a tensor whose kind is known, in order.

    Args:
        tensor: the tensor.
        height: rows that have to stay together: pieces hold a multiple of it, but for the last.

    Raises:
        FileError: the file ends before the tensor does, or cannot be read.
    """
    kind = tensor.kind
    assert kind is not None
    rows, columns = tensor.matrix
    if not tensor.count:  # it may still claim any number of rows, or of columns
        return
    if are_whole(tensor, height):
        step = max(1, AT_ONCE // columns // height) * height
        plan = [(min(step, rows - first), columns) for first in range(0, rows, step)]
    else:
        ends = [min(AT_ONCE, columns - first) for first in range(0, columns, AT_ONCE)]  # a multiple of every block
        plan = [(1, length) for _ in range(rows) for length in ends]
    room = np.empty(max(high * wide for high, wide in plan) // kind.block * kind.width, np.uint8)
    try:
        with tensor.file.open("rb", buffering=0) as stream:
            stream.seek(tensor.start)
            for high, wide in plan:
                raw = room[: high * wide // kind.block * kind.width]
                fill(stream, raw.data, tensor)
                yield Piece(raw, high, wide)
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file=tensor.file, do="Check the disk.") from None


def fill(stream: FileIO, room: memoryview, tensor: StoredTensor) -> None:
    """Read on until the room is full.

    Raises:
        FileError: the file ends before.
    """
    done = 0
    while done < len(room):
        got = stream.readinto(room[done:])
        if not got:
            raise FileError(
                "The file has become shorter while it was read", file=tensor.file, tensor=tensor.name,
                do="Wait until whoever writes it is done.",
            )  # fmt: skip
        done += got
