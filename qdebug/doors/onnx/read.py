"""ONNX files to plain graphs and tensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto
from torch import Tensor

from qdebug.doors.onnx.external import Folder
from qdebug.doors.onnx.functions import Functions
from qdebug.doors.onnx.ir import Model
from qdebug.doors.onnx.order import number_nodes
from qdebug.doors.onnx.parse import NOT_TEXT, newest, parse, read_opsets
from qdebug.doors.onnx.walk import Walk
from qdebug.errors import FileError


@dataclass(frozen=True)
class OnnxFile:
    """A read file.

    Attributes:
        model: its graph.
        tensors: its stored tensors by :attr:`Constant.key`.
    """

    model: Model
    tensors: Mapping[str, Tensor]


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read an ONNX file. Nothing in it is executed, and only its own folder is read.

    Raises:
        FileError: it is missing, damaged, no ONNX model, or points to files elsewhere.
        ModelError: its graph is contradictory, or its opset is not among those that are understood.
    """
    return from_proto(parse(path), Path(path))


def from_proto(proto: ModelProto, file: Path | None = None) -> OnnxFile:
    """A parsed model as plain values.

    Args:
        proto: the model; of nodes with one name all but the first are numbered in it.
        file: where it lies, for messages and tensors beside it.

    Raises:
        FileError, ModelError: as for :func:`read_onnx`.
    """
    try:
        opsets = read_opsets(proto, file)
        renamed = number_nodes(proto)
        walk = Walk(Folder(file), Functions(proto, opsets, file))
        graph = walk.graph(proto.graph)
        model = Model(
            graph=graph, opsets=opsets, producer=" ".join(filter(None, (proto.producer_name, proto.producer_version))),
            metadata={entry.key: entry.value for entry in proto.metadata_props}, ir_version=proto.ir_version,
            renamed=renamed,
        )  # fmt: skip
    except UnicodeDecodeError:  # protobuf as pure Python, of a text that the walk does not look at
        raise FileError(NOT_TEXT, file=file, do="The file is damaged: write it again.") from None
    return OnnxFile(model, walk.tensors)


__all__ = ["OnnxFile", "from_proto", "newest", "parse", "read_onnx"]
