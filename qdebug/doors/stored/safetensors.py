"""The header of a ``.safetensors`` file, read strictly; its data are not touched.

The format (https://github.com/huggingface/safetensors#format): eight bytes, the header's length N as a little-endian
integer; N bytes of JSON, ``{"NAME": {"dtype", "shape", "data_offsets": [BEGIN, END]}}``; the data, without holes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdebug.doors.stored.kinds import SAFETENSORS
from qdebug.doors.stored.tensors import StoredTensor
from qdebug.errors import FileError

LARGEST_HEADER = 100_000_000
"""Bytes: the format's own limit."""

_AGAIN = "Write or download the file again."


def read_safetensors(file: Path) -> tuple[tuple[StoredTensor, ...], dict[str, str]]:
    """The tensors of a file in the order of their data, and its metadata.

    A type that is not known is no mistake: its tensor has no kind.

    Raises:
        FileError: the file is missing or is not what the format asks for: a header longer than the file, JSON that is
            none, a name that occurs twice, a shape that does not fit its bytes, data that overlap, leave holes or end
            beyond the file.
    """
    size, header = _header(file)
    facts: dict[str, str] = {}
    tensors = []
    for name, value in header.items():
        if name == "__metadata__":
            if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
                raise _damaged("the metadata are not strings", file)
            facts = value
        else:
            tensors.append(_tensor(name, value, file, start=size))
    tensors.sort(key=lambda one: (one.start, one.nbytes))
    place = size
    for one in tensors:
        if one.start != place:
            how = "overlap the data before them" if one.start < place else "leave a hole before them"
            raise _damaged(f"the data of '{one.name}' {how}", file)
        place += one.nbytes
    actual = file.stat().st_size
    if place != actual:
        raise _damaged(f"its tensors end at byte {place:,}, the file at byte {actual:,}", file)
    return tuple(tensors), facts


def strict_json(text: bytes, file: Path) -> Any:
    """JSON in which no object has a name twice.

    Raises:
        FileError: it is no JSON, or has one.
    """

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise FileError(f"'{name}' is named twice", file=file, do=_AGAIN)
            found[name] = value
        return found

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise FileError(f"This is not JSON: {str(error).splitlines()[0]}", file=file, do=_AGAIN) from None


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where the data begin, and the parsed header."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8:
                raise _damaged(f"it has {size} bytes, fewer than a header needs", file)
            if length > min(size - 8, LARGEST_HEADER):
                limit = "the file" if length > size - 8 else f"{LARGEST_HEADER:,} bytes"
                raise _damaged(f"its header says it has {length:,} bytes, more than {limit}", file)
            text = stream.read(length)
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file=file, do="Check the path.") from None
    if not text.startswith(b"{"):
        raise _damaged("its header does not begin with '{'", file)
    header = strict_json(text, file)
    return 8 + length, header


def _tensor(name: str, value: Any, file: Path, start: int) -> StoredTensor:
    match value:
        case {"dtype": str(title), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise _damaged(f"'{name}' has no dtype, shape and data_offsets", file)
    if not all(type(length) is int and length >= 0 for length in shape) or not 0 <= begin <= end:
        raise _damaged(f"'{name}' has an impossible shape or place", file)
    kind = SAFETENSORS.get(title)
    if kind is not None:
        needed = math.prod(shape) * kind.width / kind.block
        if end - begin != needed:
            what = f"'{name}' has {end - begin:,} bytes, where {title} {shape} needs {needed:,.0f}"
            raise _damaged(what, file)
    if math.prod(max(length, 1) for length in shape) >= 2**63:  # without a value, and with more rows than are counted
        raise _damaged(f"'{name}' has the impossible shape {shape}", file)
    return StoredTensor(name, tuple(shape), kind, title, file, start + begin, end - begin)


def _damaged(what: str, file: Path) -> FileError:
    return FileError(f"This is no .safetensors file or it is damaged: {what}", file=file, do=_AGAIN)
