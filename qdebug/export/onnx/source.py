"""The model file that an export starts from, as one protobuf of floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto
from onnx.helper import make_attribute

from qdebug.doors.confined import read_confined
from qdebug.doors.onnx import OnnxFile, from_proto, to_proto, unquantized
from qdebug.doors.onnx.external import Folder
from qdebug.doors.onnx.functions import Functions
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ir import plain as plain_attribute
from qdebug.doors.onnx.order import number_nodes, wanted
from qdebug.doors.onnx.parse import parse, read_opsets
from qdebug.doors.onnx.tensors import read_tensor
from qdebug.errors import FileError
from qdebug.export.onnx.sites import node_name
from qdebug.export.onnx.tensors import tensor
from qdebug.graph.prune import needed
from qdebug.session.loading import from_onnx, from_path

_CHANGED = "The file has changed since it was opened"


def read_strange(file: Path, digest: str, check: Callable[[], None]) -> tuple[ModelProto, OnnxFile]:
    """A model file that a stranger gave: read in a process with walls, and written anew from what that handed back.

    Args:
        file: the file, which this process does not open.
        digest: of the program that the session made of it.
        check: called while it is read; raises where the work is to stop.

    Raises:
        FileError, ModelError: as for :func:`read_source`, and those of :func:`qdebug.doors.confined.read_confined`.
    """
    opened = read_confined(file, check)
    if from_onnx(opened, file).program.digest != digest:
        raise FileError(_CHANGED, file=file.name, do="Open it again.")
    return to_proto(opened), opened


def float_strange(file: Path, digest: str, check: Callable[[], None]) -> tuple[ModelProto, tuple[Path, ...]]:
    """As :func:`read_source`, of a stranger's file; arguments and errors are those of :func:`read_strange`."""
    proto, opened = read_strange(file, digest, check)
    _make_float(proto, opened)
    # whatever lies beside it may be part of it
    return proto, (file, *(one for one in sorted(file.parent.iterdir()) if one != file))


def read_source(file: Path, digest: str) -> tuple[ModelProto, tuple[Path, ...]]:
    """A model file with all its tensors in it, its functions written out, and, if it is quantized, made float.

    Args:
        file: the file.
        digest: of the program that the session made of it.

    Returns:
        the model, and the files that it comes from.

    Raises:
        FileError: the file has changed since it was opened, or cannot be read.
        ModelError: see :func:`qdebug.doors.onnx.read_onnx`.
    """
    if from_path(file).program.digest != digest:
        raise FileError(_CHANGED, file=file, do="Open it again.")
    proto = parse(file)
    number_nodes(proto)
    files = [file]
    folder = Folder(file)
    for one in _tensors(proto.graph):
        if one.data_location == TensorProto.EXTERNAL:
            location = next((entry.value for entry in one.external_data if entry.key == "location"), "")
            values = read_tensor(one, folder, one.name)  # which refuses places outside of the model's folder
            files.append(file.parent.joinpath(location))
            one.CopyFrom(tensor(one.name, values, one.data_type))
    if proto.functions:
        _inline(proto.graph, Functions(proto, read_opsets(proto, file), file))
        del proto.functions[:]
    _make_float(proto, from_proto(proto))
    return proto, tuple(dict.fromkeys(files))


def _make_float(proto: ModelProto, opened: OnnxFile) -> None:
    plain, _ = unquantized(opened)
    if plain is not opened:
        _dequantize(proto, plain)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every stored tensor of a graph, those in nodes and in graphs inside nodes too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == AttributeProto.GRAPH:
                yield from _tensors(attribute.g)


def _inline(graph: GraphProto, functions: Functions) -> None:
    """Write functions out in a graph and in those inside it."""
    nodes = [_copied(node) for node in functions.inlined(graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _inline(attribute.g, functions)


def _copied(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def _dequantize(proto: ModelProto, plain: OnnxFile) -> None:
    """Make the graph the float one that the session made of a quantized file."""
    graph = proto.graph
    before = {(node_name(node), tuple(node.output)): node for node in graph.node}
    called = {node_name(node): node for node in graph.node}  # what a node writes may go by another name now
    nodes = [
        _as(node, before.get((node.name, node.outputs)) or called.get(node.name)) for node in plain.model.graph.nodes
    ]
    live = needed(nodes, (one.name for one in graph.output), wanted, lambda node: node.output)
    nodes = [node for node in nodes if not live.isdisjoint(node.output)]
    elems = {one.name: one.data_type for one in graph.initializer}
    for constant in plain.model.graph.constants:
        if elems.get(constant.name) != constant.elem:
            values = tensor(constant.name, plain.tensors[constant.key], constant.elem)
            kept = [one for one in graph.initializer if one.name != constant.name]
            del graph.initializer[:]
            graph.initializer.extend([*kept, values])
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in wanted(node)} | {one.name for one in graph.output}
    kept = [one for one in graph.initializer if one.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _as(node: Node, original: NodeProto | None) -> NodeProto:
    """A node of the file as the float graph has it."""
    found = NodeProto() if original is None else _copied(original)
    found.name, found.op_type, found.domain = node.name, node.op, node.domain
    found.input[:], found.output[:] = node.inputs, node.outputs
    known = {one.name: AttributeProto.FromString(one.SerializeToString()) for one in found.attribute}
    del found.attribute[:]
    for name, value in node.attributes.items():
        found.attribute.append(known[name] if name in known else make_attribute(name, plain_attribute(value)))
    return found
