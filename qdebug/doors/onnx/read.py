"""ONNX files to plain graphs and tensors. Only here is an ONNX protobuf parsed for opening."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.external import Folder
from qdebug.doors.onnx.functions import Functions
from qdebug.doors.onnx.ir import Attribute, Constant, Graph, Model, Node, Texts, Value, wrapped
from qdebug.doors.onnx.order import ordered
from qdebug.doors.onnx.tensors import read_sparse, read_tensor
from qdebug.errors import FileError, ModelError

OLDEST = 7
"""The oldest opset that is read: before it, broadcasting had rules of its own."""
DEEPEST = 16
"""Graphs within graphs."""
LARGEST_FILE = 2**31
"""Bytes a protobuf may have."""
OWN_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class OnnxFile:
    """A read file.

    Attributes:
        model: its graph.
        tensors: its stored tensors by :attr:`Constant.key`.
    """

    model: Model
    tensors: Mapping[str, Tensor]


def newest() -> int:
    """The newest opset that the installed ``onnx`` knows."""
    return int(onnx.defs.onnx_opset_version())


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read an ONNX file. Nothing in it is executed, and only its own folder is read.

    Raises:
        FileError: it is missing, damaged, no ONNX model, or points to files elsewhere.
        ModelError: its graph is contradictory, or its opset is not among those that are understood.
    """
    return from_proto(parse(path), Path(path))


def parse(path: str | os.PathLike[str]) -> ModelProto:
    """The protobuf of an ONNX file, without the tensors that lie beside it.

    Raises:
        FileError: it is missing, damaged or no ONNX model.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError("There is no such file", file=file, do="Check the path.")
    if file.stat().st_size >= LARGEST_FILE:
        raise FileError(
            "An ONNX file of 2 GB or more cannot be read", file=file,
            do="Save it with external data (onnx.save_model(..., save_as_external_data=True)).",
        )  # fmt: skip
    proto = ModelProto()
    try:
        proto.ParseFromString(file.read_bytes())
    except DecodeError:
        raise FileError(
            "This is no ONNX model, or it is damaged", file=file, do="Write it again, or fetch it again."
        ) from None
    except OSError as error:
        raise FileError(f"The file cannot be read ({error.strerror})", file=file, do="Check who may read it.") from None
    if not proto.HasField("graph") or not proto.graph.output:
        raise FileError(
            "This is no ONNX model: it has no graph with an output", file=file, do="Write it again, or fetch it again."
        )
    return proto


def from_proto(proto: ModelProto, file: Path | None = None) -> OnnxFile:
    """A parsed model as plain values.

    Args:
        proto: the model.
        file: where it lies, for messages and tensors beside it.

    Raises:
        FileError, ModelError: as for :func:`read_onnx`.
    """
    opsets = _opsets(proto, file)
    reader = _Reader(Folder(file), Functions(proto, opsets))
    graph = reader.graph(proto.graph, frozenset(), 0)
    model = Model(
        graph=graph, opsets=opsets, producer=" ".join(filter(None, (proto.producer_name, proto.producer_version))),
        metadata={entry.key: entry.value for entry in proto.metadata_props}, ir_version=proto.ir_version,
    )  # fmt: skip
    return OnnxFile(model, reader.tensors)


def _opsets(proto: ModelProto, file: Path | None) -> dict[str, int]:
    opsets = {("" if one.domain in OWN_DOMAINS else one.domain): one.version for one in proto.opset_import}
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


class _Reader:
    """Walks a protobuf once and collects its tensors."""

    def __init__(self, folder: Folder, functions: Functions) -> None:
        self.folder = folder
        self.functions = functions
        self.tensors: dict[str, Tensor] = {}

    def graph(self, proto: GraphProto, around: frozenset[str], depth: int) -> Graph:
        """A graph; ``around`` are the values that it can see of the graphs around it."""
        if depth > DEEPEST:
            raise ModelError(
                f"Graphs lie more than {DEEPEST} deep in each other", file=self.folder.file, graph=proto.name,
                do="The file is damaged: write it again.",
            )  # fmt: skip
        constants = self._constants(proto)
        stored = {constant.name for constant in constants}
        inputs = tuple(_value(one) for one in proto.input if one.name not in stored)
        given = around | stored | {value.name for value in inputs}
        nodes = self.functions.inlined(proto.node, given, self.folder.file)
        nodes = ordered(nodes, given, self.folder.file)
        seen = set(given)
        read: list[Node] = []
        for node in nodes:
            read.append(self._node(node, frozenset(seen) if _has_body(node) else frozenset(), depth))
            seen.update(name for name in node.output if name)
        outputs = tuple(_value(one) for one in proto.output)
        for value in outputs:
            if value.name not in seen:
                raise ModelError(
                    f"No node writes the output '{value.name}'", file=self.folder.file, graph=proto.name,
                    do="The file is damaged: write it again.",
                )  # fmt: skip
        return Graph(proto.name, tuple(read), inputs, outputs, tuple(constants))

    def _constants(self, proto: GraphProto) -> list[Constant]:
        found: dict[str, Constant] = {}
        for one in proto.initializer:
            found[self._once(one.name, found)] = self.constant(one, one.name)
        for sparse in proto.sparse_initializer:
            name = self._once(sparse.values.name, found)
            dense = read_sparse(sparse, self.folder)
            found[name] = self._kept(name, sparse.values.data_type, dense)
        return list(found.values())

    def _once(self, name: str, found: Mapping[str, Constant]) -> str:
        if not name or name in found:
            raise ModelError(
                f"Two stored tensors are called '{name}'" if name else "A stored tensor has no name",
                file=self.folder.file, do="The file is damaged: write it again.",
            )  # fmt: skip
        return name

    def constant(self, proto: TensorProto, name: str) -> Constant:
        """A stored tensor, kept under a key of its own."""
        return self._kept(name, proto.data_type, read_tensor(proto, self.folder, name))

    def _kept(self, name: str, elem: int, tensor: Tensor) -> Constant:
        key = name if name and name not in self.tensors else f"{name}@{len(self.tensors)}"
        self.tensors[key] = tensor
        return Constant(name, key, elem, tuple(tensor.shape))

    def _node(self, proto: NodeProto, around: frozenset[str], depth: int) -> Node:
        name = proto.name or next((one for one in proto.output if one), "") or proto.op_type
        domain = "" if proto.domain in OWN_DOMAINS else proto.domain
        attributes = {one.name: self._attribute(one, name, around, depth) for one in proto.attribute}
        return Node(name, proto.op_type, domain, tuple(proto.input), tuple(proto.output), attributes)

    def _attribute(self, proto: onnx.AttributeProto, node: str, around: frozenset[str], depth: int) -> Attribute:
        kind = onnx.AttributeProto
        match proto.type:
            case kind.FLOAT:
                return wrapped(proto.f)
            case kind.INT:
                return proto.i
            case kind.STRING:
                return self._text(proto.s, node)
            case kind.TENSOR:
                return self.constant(proto.t, f"{node}.{proto.name}")
            case kind.SPARSE_TENSOR:
                dense = read_sparse(proto.sparse_tensor, self.folder)
                return self._kept(f"{node}.{proto.name}", proto.sparse_tensor.values.data_type, dense)
            case kind.GRAPH:
                return self.graph(proto.g, around, depth + 1)
            case kind.INTS:
                return tuple(proto.ints)
            case kind.FLOATS:
                return tuple(wrapped(one) for one in proto.floats)
            case kind.STRINGS:
                return Texts(tuple(self._text(one, node) for one in proto.strings))
            case kind.TYPE_PROTO:
                return proto.tp.WhichOneof("value") or ""
        raise ModelError(
            f"The attribute '{proto.name}' has a type that is not understood", file=self.folder.file, node=node,
            do="Write the file again with a current exporter.",
        )  # fmt: skip

    def _text(self, raw: bytes, node: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ModelError(
                "An attribute's text is not UTF-8", file=self.folder.file, node=node,
                do="The file is damaged: write it again.",
            ) from None  # fmt: skip


def _has_body(node: NodeProto) -> bool:
    return any(one.type == onnx.AttributeProto.GRAPH for one in node.attribute)


def _value(proto: ValueInfoProto) -> Value:
    kind = proto.type.WhichOneof("value")
    if kind != "tensor_type":
        words = {"sequence_type": "sequence", "optional_type": "optional", "map_type": "map"}
        return Value(proto.name, words.get(kind or "", "unknown"))  # type: ignore[arg-type]
    tensor = proto.type.tensor_type
    if not tensor.HasField("shape"):
        return Value(proto.name, "tensor", tensor.elem_type)
    return Value(proto.name, "tensor", tensor.elem_type, tuple(_size(one) for one in tensor.shape.dim))


def _size(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


__all__ = ["ELEMENTS", "OnnxFile", "from_proto", "newest", "parse", "read_onnx"]
