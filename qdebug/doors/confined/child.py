"""The third process: ``python -P -m qdebug.doors.confined.child TASK``. It reads one file that a stranger gave.

It also runs what is C++ in the ``onnx`` package on models that came from one.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qdebug.doors.confined.messages import ARRAYS, FAILED, FAILURE, MODEL, TENSORS, Array, Failure, Task
from qdebug.doors.confined.walls import confine
from qdebug.errors import DataError, QDebugError

if TYPE_CHECKING:
    from qdebug.doors.onnx.read import OnnxFile

_NO_MEMORY = re.compile(r"alloc|not enough memory|out of memory", re.IGNORECASE)


def read_model(task: Task) -> None:
    """An ONNX file as a plain graph and tensors."""
    from qdebug.doors.onnx.read import read_onnx

    _leave(task, read_onnx(task.source))


def convert_model(task: Task) -> None:
    """An ONNX file at another opset, likewise."""
    from qdebug.doors.native import convert
    from qdebug.doors.onnx.read import from_proto, parse

    _leave(task, from_proto(convert(parse(task.source), task.opset)))


def check_model(task: Task) -> None:
    """Nothing, where ONNX's checker accepts the file."""
    from qdebug.doors.native import check

    check(Path(task.source))


def _leave(task: Task, found: OnnxFile) -> None:
    from qdebug.doors.confined.files import write_tensors

    write_tensors(Path(task.folder, TENSORS), found.tensors)
    Path(task.folder, MODEL).write_bytes(msgspec.json.encode(found.model))


def read_data(task: Task) -> None:
    """An ``.npz`` file as the bytes of its arrays and a table of what they are."""
    import torch

    from qdebug.doors.confined.files import write_tensors
    from qdebug.doors.npz import read_npz

    arrays = read_npz(task.source, largest=task.limits.result)
    table: list[Array] = []
    raw: dict[str, torch.Tensor] = {}
    for place, (name, array) in enumerate(arrays.items()):
        if array.dtype.kind not in "biufU":
            raise DataError(
                f"'{name}' has dtype {array.dtype}, which is not numbers", file=task.source,
                do="Save integers or floats.",
            )  # fmt: skip
        plain = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        table.append(Array(name, str(place), plain.dtype.str, plain.shape))
        raw[str(place)] = torch.frombuffer(plain.reshape(-1), dtype=torch.uint8) if plain.nbytes else torch.empty(0)
        raw[str(place)] = raw[str(place)].to(torch.uint8)
    write_tensors(Path(task.folder, TENSORS), raw)
    Path(task.folder, ARRAYS).write_bytes(msgspec.json.encode(table))


_FILES = "qdebug.doors.confined.files"
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "onnx": (_FILES, "qdebug.doors.onnx.read"), "npz": (_FILES, "qdebug.doors.npz"), "check": ("qdebug.doors.native",),
    "convert": (_FILES, "qdebug.doors.native", "qdebug.doors.onnx.read"),
}  # fmt: skip
WORK: Mapping[str, Callable[[Task], None]] = {
    "onnx": read_model, "npz": read_data, "convert": convert_model, "check": check_model,
}  # fmt: skip


def main(words: list[str], work: Mapping[str, Callable[[Task], None]] = WORK) -> int:
    """Build the walls, then read.

    Args:
        words: the command line: one JSON object, a :class:`Task`.
        work: what is done for each kind of file.

    Returns:
        0 with results in the folder, or FAILED with a reason there.
    """
    task = msgspec.json.decode(words[0], type=Task)
    for name in _NEEDS[task.kind]:
        importlib.import_module(name)  # what it takes up is not the file's fault
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    confine(task.limits, task.parent)
    try:
        work[task.kind](task)
    except QDebugError as error:
        failure = Failure(type(error).__name__, error.what, error.do, error.where)
    except (MemoryError, RuntimeError, OSError) as error:
        met = _limit_met(error)
        if met is None:
            raise
        failure = Failure(met)
    else:
        return 0
    Path(task.folder, FAILURE).write_bytes(msgspec.json.encode(failure))
    return FAILED


def _limit_met(error: Exception) -> str | None:
    """The limit that an exception tells of, if one."""
    if isinstance(error, OSError):
        return {errno.EFBIG: "result", errno.ENOMEM: "memory", errno.ENOSPC: "disk"}.get(error.errno or 0)
    return "memory" if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) else None


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)
