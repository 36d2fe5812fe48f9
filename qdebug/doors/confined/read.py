"""A stranger's file through the third process, and what comes back checked against what it says of itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from onnx import ModelProto

from qdebug.doors.confined.files import NotAsDeclared, read_tensors
from qdebug.doors.confined.limits import Limits, data_limits, model_limits
from qdebug.doors.confined.messages import ARRAYS, MODEL, TENSORS, Array
from qdebug.doors.confined.process import COMMAND, confined, left, unsafe
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.ir import Constant, Graph, Model, bodies
from qdebug.doors.onnx.read import OnnxFile
from qdebug.doors.onnx.write import to_proto

_MOST_TEXT = 256 * 2**20
"""Bytes of JSON; a graph of a hundred thousand nodes has some thirty million."""
_MOST_ARRAYS = 1024
_DTYPE = re.compile(r"\|[bui]1|<[uif][248]|<U\d{1,4}")
_BAD = (NotAsDeclared, OSError, ValueError, TypeError, RecursionError, msgspec.MsgspecError)


def _never() -> None:
    """Nobody asks for a stop."""


def read_confined(
    path: Path, check: Callable[[], None] = _never, command: Sequence[str] = COMMAND
) -> OnnxFile:  # fmt: skip
    """An ONNX file that somebody uploaded; files beside it count as part of it.

    Args:
        path: the file.
        check: called often while it is read; raises where the work is to stop.
        command: what starts the process that reads it.

    Raises:
        FileError, ModelError: as :func:`qdebug.doors.onnx.read_onnx` raises them; and a FileError where a limit is
            met, where the reading process dies, and where what it hands back contradicts itself.
    """
    limits = model_limits(_size(path))
    with confined("onnx", path, limits, check, command) as folder:
        return _model(folder, limits, path)


def convert_confined(
    proto: ModelProto, opset: int, name: str, check: Callable[[], None] = _never, command: Sequence[str] = COMMAND
) -> ModelProto:
    """A model at a newer opset, converted in a process of its own.

    Args:
        proto: a model that came from a stranger, as it was written from a plain graph.
        opset: of ONNX's own operators.
        name: what the model is called in messages.
        check: called often; raises where the work is to stop.
        command: what starts the process.

    Raises:
        FileError, ModelError: as :func:`qdebug.doors.native.convert` raises them, and those of
            :func:`read_confined`.
    """
    with tempfile.TemporaryDirectory(prefix="qdebug-") as place:
        path = Path(place, name)
        size = path.write_bytes(proto.SerializeToString())
        limits = model_limits(size)
        with confined("convert", path, limits, check, command, opset) as folder:
            return to_proto(_model(folder, limits, path))


def check_confined(path: Path, check: Callable[[], None] = _never, command: Sequence[str] = COMMAND) -> None:
    """Hold a written model that came from a stranger against the specification, in a process of its own.

    Arguments as for :func:`read_confined`.

    Raises:
        FileError, ModelError: as :func:`qdebug.doors.native.check` raises them, and those of
            :func:`read_confined`.
    """
    with confined("check", path, model_limits(_size(path)), check, command):
        """It has nothing to hand back."""


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.iterdir() if one.is_file()) if path.is_file() else 0


def _model(folder: Path, limits: Limits, path: Path) -> OnnxFile:
    """What the child has left, checked.

    Raises:
        FileError: it is not what it should be.
    """
    try:
        model = msgspec.json.decode(left(folder, MODEL, _MOST_TEXT).read_bytes(), type=Model)
        wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
        _collect(model.graph, frozenset(), wanted)
        return OnnxFile(model, read_tensors(left(folder, TENSORS, limits.result), wanted))
    except _BAD:
        raise unsafe(path) from None


def _collect(graph: Graph, around: frozenset[str], wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]]) -> None:
    """Note every stored tensor of a graph and its bodies, and see that each node reads what is there by then."""
    seen = set(around) | {value.name for value in graph.inputs}
    for constant in graph.constants:
        _note(constant, wanted)
        seen.add(constant.name)
    for node in graph.nodes:
        if any(name and name not in seen for name in node.inputs):
            raise NotAsDeclared(f"{node.op} reads what nothing writes")
        for attribute in node.attributes.values():
            if isinstance(attribute, Constant):
                _note(attribute, wanted)
        for body in bodies(node):
            _collect(body, frozenset(seen), wanted)
        seen.update(name for name in node.outputs if name)
    if any(value.name not in seen for value in graph.outputs):
        raise NotAsDeclared("an output is written by nothing")


def _note(constant: Constant, wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]]) -> None:
    if constant.elem not in ELEMENTS or constant.key in wanted or any(size < 0 for size in constant.shape):
        raise NotAsDeclared("a stored tensor is declared wrongly")
    wanted[constant.key] = (ELEMENTS[constant.elem].carrier, constant.shape)


def read_confined_npz(
    path: Path, check: Callable[[], None] = _never, command: Sequence[str] = COMMAND
) -> Mapping[str, np.ndarray]:
    """The arrays of an ``.npz`` file that somebody uploaded. Arguments and errors as for :func:`read_confined`.

    Raises:
        FileError, DataError: as :func:`qdebug.doors.read_npz` raises them, and those of :func:`read_confined`.
    """
    limits = data_limits(path.stat().st_size if path.is_file() else 0)
    with confined("npz", path, limits, check, command) as folder:
        try:
            text = left(folder, ARRAYS, _MOST_TEXT).read_bytes()
            table = msgspec.json.decode(text, type=list[Array])
            if len(table) > _MOST_ARRAYS or len({one.name for one in table}) != len(table):
                raise NotAsDeclared("too many arrays, or two of one name")
            wanted = {one.key: (torch.uint8, (_bytes(one),)) for one in table}
            raw = read_tensors(left(folder, TENSORS, limits.result), wanted)
            return {one.name: _array(one, raw[one.key].numpy()) for one in table}
        except _BAD:
            raise unsafe(path) from None


def _bytes(one: Array) -> int:
    if not _DTYPE.fullmatch(one.dtype) or any(size < 0 for size in one.shape):
        raise NotAsDeclared("an array is declared wrongly")
    count = 1
    for size in one.shape:
        count *= size
    return count * np.dtype(one.dtype).itemsize


def _array(one: Array, raw: np.ndarray) -> np.ndarray:
    if one.dtype == "|b1":
        return (raw != 0).reshape(one.shape)
    if one.dtype.startswith("<U"):
        codes = raw.view(np.uint32)
        if bool(((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any()):
            raise NotAsDeclared("a text is none")
    return raw.view(one.dtype).reshape(one.shape)
