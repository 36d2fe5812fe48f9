"""Writing a model: checked, whole or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto

from qdebug.beneath import check_replaceable
from qdebug.errors import FileError
from qdebug.export.onnx.tools import Here, Tools
from qdebug.whole import on_disk

LARGEST = 2**31 - 2**20
"""Bytes that a protobuf may have (2 GB), less what the graph itself may take."""
_OUTSIDE = 1024
"""Bytes from which a tensor is worth a place in the data file."""


def data_file(path: Path) -> Path:
    """Where the tensors of a model lie that do not lie in its file."""
    return path.with_name(f"{path.name}.data")


def refuse_source(path: Path, sources: Collection[Path]) -> None:
    """Refuse to write over the files that a model comes from.

    Raises:
        FileError: the path, or that of its data file, is one of them.
    """
    for mine in (path, data_file(path)):
        for source in sources:
            if mine.resolve() == source.resolve() or (mine.exists() and source.exists() and mine.samefile(source)):
                raise FileError("This would overwrite the model it is made from", file=mine, do="Give another path.")


def save(proto: ModelProto, path: Path, *, outside: bool, tools: Tools | None = None) -> int:
    """Write a model, with its tensors beside it where asked or where they are too large to be in it.

    Everything is written into a folder of its own beside the target, checked there by ``onnx.checker`` and renamed.

    Args:
        proto: the model.
        path: where to.
        outside: whether large tensors are to lie beside it.
        tools: what checks it; by default in this process.

    Returns:
        bytes written.

    Raises:
        FileError: it cannot be written; nothing is left of it, and what was there before is as it was.
        ModelError: the checker refuses it.
    """
    outside = outside or sum(len(one.raw_data) for one in proto.graph.initializer) > LARGEST
    folder: Path | None = None
    check_replaceable(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        part = folder / path.name
        if outside:
            _put_outside(proto, data_file(part))
        part.write_bytes(proto.SerializeToString())
        on_disk(part)
        (tools or Here()).check(part)
        size = sum(one.stat().st_size for one in folder.iterdir())
        if outside:
            _swap([(data_file(part), data_file(path)), (part, path)])
        else:
            part.replace(path)
        shutil.rmtree(folder, ignore_errors=True)
    except (OSError, EncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileError(f"Cannot write the model: {reason}", file=path, do="Choose another place.") from None
    finally:
        if folder is not None and not _is_refuge(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return size


def _swap(files: list[tuple[Path, Path]]) -> None:
    """Put new files in the place of old ones: all of them, or none.

    The last is what leads to the others: it goes first and comes last, so that whoever is killed in between leaves no
    file that leads to another's tensors.
    """
    try:
        for new, target in reversed(files):
            if target.exists():
                target.replace(_older(new))
        for new, target in files:
            new.replace(target)
    except OSError:
        with suppress(OSError):  # of a disk that lets nothing be renamed any more: see _is_refuge
            for new, target in files:
                if not new.exists():
                    target.unlink(missing_ok=True)
                if _older(new).exists():
                    _older(new).replace(target)
        raise


def _older(new: Path) -> Path:
    return new.with_name(f"{new.name}.older")


def _is_refuge(folder: Path) -> bool:
    """Whether what was there before could not be put back, and lies here."""
    return any(one.name.endswith(".older") for one in folder.iterdir()) if folder.exists() else False


def _put_outside(proto: ModelProto, file: Path) -> None:
    """Write large tensors to a file, each at a multiple of a page, and let the model point there."""
    with file.open("wb") as data:
        for one in proto.graph.initializer:
            if len(one.raw_data) < _OUTSIDE:
                continue
            data.write(b"\0" * (-data.tell() % 4096))
            entries = {"location": file.name, "offset": data.tell(), "length": len(one.raw_data)}
            data.write(one.raw_data)
            one.ClearField("raw_data")
            one.data_location = TensorProto.EXTERNAL
            del one.external_data[:]
            for key, value in entries.items():
                one.external_data.add(key=key, value=str(value))
        data.flush()
        os.fsync(data.fileno())
