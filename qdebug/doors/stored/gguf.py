"""The head of a GGUF file, read strictly; its data are not touched.

The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), version 2 and 3, little-endian: magic, version,
number of tensors, number of key-value pairs; the pairs; of each tensor name, sizes of its axes (the fastest first),
type and offset; then, aligned, the data. Every length is held against what is left of the file before anything is read
or made room for.
"""

from __future__ import annotations

import itertools
import math
import struct
from pathlib import Path
from typing import BinaryIO

from qdebug.doors.stored.kinds import GGML
from qdebug.doors.stored.tensors import StoredTensor
from qdebug.errors import FileError

_ALIGNMENT = 32
_AXES = 4
"""The most that ggml has."""
_DEPTH = 4
"""Arrays within arrays."""
_LONG = 1 << 16
"""Bytes from which on a string is not kept."""
_LARGEST_COUNT = 2**63 - 1
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def read_gguf(file: Path) -> tuple[tuple[StoredTensor, ...], dict[str, str]]:
    """The tensors of a file in the order of their data, and its key-value pairs as words.

    A type that is not known is no mistake: its tensor has no kind, and no size.

    Raises:
        FileError: the file is missing, of another byte order or version, or is not what the format asks for: lengths
            or offsets beyond its end, a name that occurs twice, rows that are not whole blocks, data that overlap or
            are not aligned.
    """
    try:
        with file.open("rb") as stream:
            head = _Head(stream, file)
            tensors, pairs = head.counts()
            facts = head.facts(pairs)
            return head.tensors(tensors, facts), facts
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file=file, do="Check the path.") from None


class _Head:
    """Reads on through a file's head and never beyond its end."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        self._stream, self._file = stream, file
        self._size, self._place = file.stat().st_size, 0

    def counts(self) -> tuple[int, int]:
        """How many tensors, and how many key-value pairs."""
        if self._bytes(min(4, self._size)) != b"GGUF":
            raise self._damaged("it does not begin with 'GGUF'")
        version = self._number("<I")
        if version & 0xFFFF == 0:
            raise FileError("The file is big-endian", file=self._file, do="Convert it to little-endian.")
        if version not in (2, 3):
            raise FileError(
                f"The file has GGUF version {version}", file=self._file, do="Versions 2 and 3 are read; convert it."
            )
        tensors, pairs = self._number("<Q"), self._number("<Q")
        left = self._size - self._place
        if 13 * pairs + 24 * tensors > left:  # at least so many bytes each
            raise self._damaged(f"it says it has {tensors:,} tensors and {pairs:,} keys, more than fit into it")
        return tensors, pairs

    def facts(self, pairs: int) -> dict[str, str]:
        """The key-value pairs; of arrays the number of values."""
        found: dict[str, str] = {}
        for _ in range(pairs):
            key = self._string("a key")
            if key in found:
                raise self._damaged(f"the key '{key}' occurs twice")
            found[key] = self._value(self._number("<I"), key)
        return found

    def tensors(self, count: int, facts: dict[str, str]) -> tuple[StoredTensor, ...]:
        """Where tensors lie, checked against each other and the file's end."""
        said = facts.get("general.alignment", str(_ALIGNMENT))
        alignment = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
        if alignment < 1 or alignment & (alignment - 1):
            raise self._damaged(f"its alignment {said} is no power of two")
        described = [self._described() for _ in range(count)]
        names: set[str] = set()
        for name, *_ in described:
            if name in names:
                raise self._damaged(f"the tensor '{name}' occurs twice")
            names.add(name)
        start = -(-self._place // alignment) * alignment
        tensors = sorted((self._tensor(one, start, alignment) for one in described), key=lambda one: one.start)
        for one, after in itertools.pairwise(tensors):
            if one.start + one.nbytes > after.start:
                raise self._damaged(f"the data of '{one.name}' and '{after.name}' overlap")
        return tuple(tensors)

    def _described(self) -> tuple[str, tuple[int, ...], int, int]:
        """A tensor's name, shape, type and offset."""
        name = self._string("a tensor's name")
        axes = self._number("<I")
        if axes > _AXES:
            raise self._damaged(f"'{name}' has {axes} axes, more than {_AXES}")
        shape = tuple(reversed([self._number("<Q") for _ in range(axes)]))
        if math.prod(max(length, 1) for length in shape) > _LARGEST_COUNT:
            raise self._damaged(f"'{name}' has the impossible shape {list(shape)}")
        return name, shape, self._number("<I"), self._number("<Q")

    def _tensor(self, described: tuple[str, tuple[int, ...], int, int], start: int, alignment: int) -> StoredTensor:
        name, shape, number, offset = described
        kind = GGML.get(number)
        title = kind.title if kind else f"type {number}"
        if offset % alignment:
            raise self._damaged(f"the data of '{name}' are not aligned to {alignment} bytes")
        nbytes = 0
        if kind is not None:
            row = shape[-1] if shape else 1
            if row % kind.block:
                raise self._damaged(f"'{name}' has rows of {row} values, not of whole blocks of {kind.block} ({title})")
            nbytes = math.prod(shape) // kind.block * kind.width
        end = start + offset + nbytes
        if end > self._size:
            raise self._damaged(f"the data of '{name}' end at byte {end:,}, the file at byte {self._size:,}")
        return StoredTensor(name, shape, kind, title, self._file, start + offset, nbytes)

    def _value(self, kind: int, key: str, depth: int = 0) -> str:
        if kind in _SCALARS:
            return str(self._number(_SCALARS[kind]))
        if kind == _STRING:
            return self._string(f"'{key}'")
        if kind != _ARRAY or depth == _DEPTH:
            raise self._damaged(f"'{key}' has the unknown type {kind}")
        inner, length = self._number("<I"), self._number("<Q")
        if inner in _SCALARS:
            self._skip(length * struct.calcsize(_SCALARS[inner]), f"'{key}'")
        else:
            if length * (8 if inner == _STRING else 12) > self._size - self._place:
                raise self._damaged(f"'{key}' says it has {length:,} values, more than fit into the file")
            for _ in range(length):
                if inner == _STRING:
                    self._skip(self._number("<Q"), f"'{key}'")
                else:
                    self._value(inner, key, depth + 1)
        return f"{length} values"

    def _string(self, what: str) -> str:
        length = self._number("<Q")
        if length > _LONG:
            self._skip(length, what)
            return f"{length} bytes"
        try:
            return self._bytes(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self._damaged(f"{what} is not UTF-8") from None

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._bytes(struct.calcsize(form)))
        return value

    def _skip(self, length: int, what: str) -> None:
        if length > self._size - self._place:
            raise self._damaged(f"{what} says it has {length:,} bytes, more than are left of the file")
        self._place += length
        self._stream.seek(self._place)

    def _bytes(self, length: int) -> bytes:
        found = self._stream.read(length) if length <= self._size - self._place else b""
        if len(found) < length:
            raise self._damaged(f"it ends at byte {self._size:,}, within its head")
        self._place += length
        return found

    def _damaged(self, what: str) -> FileError:
        return FileError(
            f"This is no GGUF file or it is damaged: {what}", file=self._file, do="Write or download the file again."
        )
