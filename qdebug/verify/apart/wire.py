"""What parent and child say to each other: a header of plain values, then the bytes of arrays. Never a pickle.

A message is eight bytes of length, so much MessagePack, and the arrays that it lists, without gaps.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from typing import BinaryIO, Literal, TypeVar

import msgspec
import numpy as np

from qdebug.doors.confined.limits import Limits

_LONGEST_HEADER = 256 * 2**20
_DTYPE = re.compile(r"\|[bui]1|<[uif][248]")
Kind = Literal["onnxruntime", "openvino"]


class Malformed(Exception):  # noqa: N818 - turned into an error for people by whoever called
    """What came is no message."""


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The base of all messages."""


class Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array behind the header: its name, numpy's spelling of its type, and its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How many there are.

        Raises:
            Malformed: its type is none of numbers, or a size is below zero.
        """
        if not _DTYPE.fullmatch(self.dtype) or any(size < 0 for size in self.shape):
            raise Malformed("an array is declared wrongly")
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Task(_Plain, frozen=True):
    """The child's command line: which runtime, for which parent, behind which walls."""

    kind: Kind
    parent: int
    limits: Limits


class OpenSession(_Plain, frozen=True):
    """Open a file in ONNX Runtime."""

    path: str
    threads: int
    profile: str = ""


class OpenModel(_Plain, frozen=True):
    """Open a file in OpenVINO."""

    path: str
    scored: str
    rewriting: bool


class Run(_Plain, frozen=True):
    """Run an opened file on the arrays that follow; ``timed`` asks for nothing but the seconds."""

    place: int
    wanted: tuple[str, ...] | None = None
    timed: bool = False
    arrays: tuple[Array, ...] = ()


class EndProfile(_Plain, frozen=True):
    """Stop profiling."""

    place: int


class Session(_Plain, frozen=True):
    """ONNX Runtime has a file open."""

    place: int
    version: str
    nodes: tuple[tuple[str, str], ...]
    operators: dict[str, int]


class Model(_Plain, frozen=True):
    """OpenVINO has a file open."""

    place: int
    version: str
    kernels: dict[str, int]
    by_node: dict[str, str]


class Ran(_Plain, frozen=True):
    """Outputs, in the arrays that follow, or the seconds of a timed run."""

    seconds: float = 0.0
    arrays: tuple[Array, ...] = ()


class Profile(_Plain, frozen=True):
    """What was run, node by node: name, operator, seconds."""

    events: tuple[tuple[str, str, float], ...]


class Failed(_Plain, frozen=True):
    """It could not be done; ``memory`` where for want of that."""

    what: str
    do: str = ""
    memory: bool = False


Asked = OpenSession | OpenModel | Run | EndProfile
Answer = Session | Model | Ran | Profile | Failed
_Message = TypeVar("_Message")


def send(stream: BinaryIO, message: Asked | Answer, arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Write a message; its ``arrays`` are those given.

    Raises:
        OSError: nobody reads.
    """
    plain = {name: np.asarray(one, order="C") for name, one in (arrays or {}).items()}
    plain = {name: one.astype(one.dtype.newbyteorder("<"), copy=False) for name, one in plain.items()}
    if plain:
        listed = tuple(Array(name, one.dtype.str, one.shape) for name, one in plain.items())
        message = msgspec.structs.replace(message, arrays=listed)
    header = msgspec.msgpack.encode(message)
    stream.write(struct.pack("<Q", len(header)) + header)
    for one in plain.values():
        stream.write(one.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO, kind: type[_Message], most: int) -> tuple[_Message, dict[str, np.ndarray]]:
    """Read a message.

    Args:
        stream: where from.
        kind: what it may be.
        most: bytes of all its arrays.

    Raises:
        EOFError: the stream has ended.
        Malformed: it is no such message, or larger.
    """
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    if length > _LONGEST_HEADER:
        raise Malformed("a header is too long")
    try:
        message = msgspec.msgpack.decode(_exactly(stream, length), type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Malformed(f"a header is none: {type(error).__name__}") from None
    listed: tuple[Array, ...] = getattr(message, "arrays", ())
    if sum(one.bytes for one in listed) > most or len({one.name for one in listed}) != len(listed):
        raise Malformed("its arrays are too large, or two have one name")
    return message, {one.name: _array(one, _exactly(stream, one.bytes)) for one in listed}


def _array(one: Array, raw: bytearray) -> np.ndarray:
    if one.dtype == "|b1":  # a byte that is neither 0 nor 1 is no truth value
        return (np.frombuffer(raw, np.uint8) != 0).reshape(one.shape)
    return np.frombuffer(raw, one.dtype).reshape(one.shape)


def _exactly(stream: BinaryIO, count: int) -> bytearray:
    raw = bytearray(count)
    view, done = memoryview(raw), 0
    while done < count:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return raw
