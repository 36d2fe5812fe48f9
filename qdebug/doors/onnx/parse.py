"""An ONNX file's bytes to its protobuf, and what a protobuf says of its own version."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from qdebug.errors import FileError, ModelError

OLDEST = 7
"""The oldest opset that is read: before it, broadcasting had rules of its own."""
LARGEST_FILE = 2**31
"""Bytes a protobuf may have."""
NOT_TEXT = "A name in the file is not UTF-8"
OWN_DOMAINS = ("", "ai.onnx")


def newest() -> int:
    """The newest opset that the installed ``onnx`` knows."""
    return int(onnx.defs.onnx_opset_version())


def parse(path: str | os.PathLike[str]) -> ModelProto:
    """The protobuf of an ONNX file, without the tensors that lie beside it.

    Raises:
        FileError: it is missing, damaged or no ONNX model.
    """
    file = Path(path)
    proto = ModelProto()
    try:
        proto.ParseFromString(_content(file))
    except (DecodeError, UnicodeDecodeError):
        raise FileError(
            "This is no ONNX model, or it is damaged", file=file, do="Write it again, or fetch it again."
        ) from None
    except MemoryError:
        raise FileError(
            "The file does not fit into memory", file=file, do="Save its tensors as external data, or free memory."
        ) from None
    if not proto.HasField("graph") or not proto.graph.output:
        raise FileError(
            "This is no ONNX model: it has no graph with an output", file=file, do="Write it again, or fetch it again."
        )
    return proto


def _content(file: Path) -> bytes:
    """All bytes of a regular file; of anything else not one is read, and no pipe is waited for."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with opened_file(handle) as opened:
            if opened is None:
                what = "This is a folder" if file.is_dir() else "This is no regular file"
                raise FileError(what, file=file, do="Give the path of an ONNX file.")
            if os.fstat(handle).st_size >= LARGEST_FILE:
                raise FileError(
                    "An ONNX file of 2 GB or more cannot be read", file=file,
                    do="Save it with external data (onnx.save_model(..., save_as_external_data=True)).",
                )  # fmt: skip
            return opened.read()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with NUL in it is a ValueError
        raise FileError("There is no such file", file=file, do="Check the path.") from None
    except OSError as error:
        raise FileError(f"The file cannot be read ({error.strerror})", file=file, do="Check who may read it.") from None


@contextmanager
def opened_file(handle: int) -> Iterator[BinaryIO | None]:
    """A file of an open handle, which is closed in the end; None where it is no regular file."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        yield None
        return
    with os.fdopen(handle, "rb") as opened:
        yield opened


def are_texts(*names: object) -> bool:
    """Whether names are UTF-8: protobuf's second language does not ask, and hands out bytes where they are not."""
    return all(type(one) is str for one in names)


def read_opsets(proto: ModelProto, file: Path | None) -> dict[str, int]:
    """The opset version by domain, that of ONNX's own operators under the empty name.

    Raises:
        ModelError: the format's or an opset's version is none that is understood, or a domain has two.
    """
    notes = (text for entry in proto.metadata_props for text in (entry.key, entry.value))
    domains = (one.domain for one in proto.opset_import)
    if not are_texts(proto.producer_name, proto.producer_version, *notes, *domains):
        raise FileError(NOT_TEXT, file=file, do="The file is damaged: write it again.")
    if not 1 <= proto.ir_version <= onnx.IR_VERSION:
        raise ModelError(
            f"Version {proto.ir_version} of the ONNX file format is not understood: 1 to {onnx.IR_VERSION} are",
            file=file, do="Install a newer onnx, or write the file with an older one.",
        )  # fmt: skip
    opsets: dict[str, int] = {}
    for one in proto.opset_import:
        domain = own(one.domain)
        if opsets.setdefault(domain, one.version) != one.version:
            raise ModelError(
                f"It asks for two opsets of the domain '{one.domain or 'ai.onnx'}': {opsets[domain]} and {one.version}",
                file=file, do="The file is damaged: write it again.",
            )  # fmt: skip
    # onnx.proto: a model of version 3 or more has to say; the checker reads none as version 1
    opset = opsets.get("", None if opsets else 1)
    if opset is None and any(node.domain in OWN_DOMAINS for node in proto.graph.node):
        opset = 1
    if opset is not None and not OLDEST <= opset <= newest():
        if opset < OLDEST:
            do = f"Convert it with onnx.version_converter.convert_version(model, {OLDEST}) or newer."
        else:
            do = f"Install a newer onnx (this one knows opset {newest()}), or export with an older opset."
        raise ModelError(f"Opset {opset} is not understood: {OLDEST} to {newest()} are", file=file, do=do)
    return opsets


def own(domain: str) -> str:
    """A domain by the one name it has here: that of ONNX's own operators is empty."""
    return "" if domain in OWN_DOMAINS else domain
