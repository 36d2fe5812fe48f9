"""A plain graph and its tensors as a protobuf again: what the plain graph says, and nothing of the file beside it."""

from __future__ import annotations

from collections import Counter

import torch
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
)
from torch import Tensor

from qdebug.doors.onnx.definitions import operator_of
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.ir import Attribute, Constant, Graph, Node, NonFinite, Texts, Value
from qdebug.doors.onnx.packing import packed
from qdebug.doors.onnx.read import OnnxFile
from qdebug.errors import FileError

_LISTS_INPUTS = 3
"""Up to this version of the file format, stored tensors are among their graph's inputs (onnx.proto, IR_VERSION)."""


def to_proto(file: OnnxFile) -> ModelProto:
    """A read file as a protobuf with all its tensors in it; :func:`from_proto` makes the same graph of it.

    What a plain graph does not hold is not in it: doc strings, types of inner values, annotations, and the domain and
    version of the model itself. Nodes without a name get the one they go by here, functions are written out, sparse
    initializers are dense, and name and version of who made it are one text. A value whose type is an optional of a
    sequence has no inner type.

    Raises:
        FileError: a number in it is larger than a file can hold.
    """
    model = file.model
    try:
        proto = ModelProto(ir_version=model.ir_version, producer_name=model.producer or None)
        for domain, version in model.opsets.items():
            proto.opset_import.add(domain=domain, version=version)
        for key, value in model.metadata.items():
            proto.metadata_props.add(key=key, value=value)
        _Writer(file).graph(model.graph, proto.graph)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FileError(
            f"The graph cannot be written as an ONNX file: {error}", do="Write the file again with a current exporter."
        ) from None
    return proto


class _Writer:
    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self._lists = file.model.ir_version <= _LISTS_INPUTS

    def graph(self, graph: Graph, into: GraphProto) -> None:
        into.name = graph.name
        into.input.extend(_value(one) for one in graph.inputs)
        into.output.extend(_value(one) for one in graph.outputs)
        for constant in graph.constants:
            self._tensor(constant, into.initializer.add(name=constant.name))
            if self._lists:
                into.input.append(_value(Value(constant.name, "tensor", constant.elem, constant.shape)))
        names = Counter(node.name for node in graph.nodes)
        for node in graph.nodes:
            self._node(node, into.node.add())
            if names[node.name] > 1 and node.name == next(filter(None, node.outputs), ""):
                into.node[-1].ClearField("name")  # it goes by that name without one, and another has it

    def _node(self, node: Node, into: NodeProto) -> None:
        into.name, into.op_type = node.name, node.op
        if node.domain:
            into.domain = node.domain
        into.input.extend(node.inputs)
        into.output.extend(node.outputs)
        for name, value in node.attributes.items():
            self._attribute(node, value, into.attribute.add(name=name))

    def _attribute(self, node: Node, value: Attribute, into: AttributeProto) -> None:
        kind = AttributeProto
        match value:
            case int():
                into.type, into.i = kind.INT, value
            case float() | NonFinite():
                into.type, into.f = kind.FLOAT, _number(value)
            case str():
                into.type, into.s = kind.STRING, value.encode()
            case Texts():
                into.type = kind.STRINGS
                into.strings.extend(text.encode() for text in value.items)
            case Graph():
                into.type = kind.GRAPH
                self.graph(value, into.g)
            case Value():
                into.type = kind.TYPE_PROTO
                into.tp.SetInParent()
                _set_type(value, into.tp)
            case Constant() if self._is(node, into.name, kind.SPARSE_TENSOR):
                into.type = kind.SPARSE_TENSOR
                _sparse(value, self._file.tensors[value.key], into.sparse_tensor)
            case Constant():
                into.type = kind.TENSOR
                self._tensor(value, into.t)
            case tuple():
                self._numbers(node, value, into)

    def _numbers(self, node: Node, values: tuple[int | float | NonFinite, ...], into: AttributeProto) -> None:
        whole = all(isinstance(one, int) for one in values)
        if whole and not (not values and self._is(node, into.name, AttributeProto.FLOATS)):
            into.type = AttributeProto.INTS
            into.ints.extend(one for one in values if isinstance(one, int))
        else:
            into.type = AttributeProto.FLOATS
            into.floats.extend(_number(one) for one in values)

    def _is(self, node: Node, name: str, kind: int) -> bool:
        """Whether ONNX says that an attribute is of a kind."""
        known = operator_of(node.domain, node.op, self._file.model.opsets.get(node.domain, 1))
        return known is not None and name in known.kinds and int(known.kinds[name].value) == kind

    def _tensor(self, constant: Constant, into: TensorProto) -> None:
        into.data_type = constant.elem
        into.dims.extend(constant.shape)
        into.raw_data = packed(self._file.tensors[constant.key], ELEMENTS[constant.elem])


def _number(value: float | NonFinite) -> float:
    return float(value.value) if isinstance(value, NonFinite) else float(value)


def _sparse(constant: Constant, tensor: Tensor, into: SparseTensorProto) -> None:
    """The elements whose bytes are not all zero, by their place in the whole."""
    whole = tensor.contiguous().reshape(-1)
    there = whole.view(torch.uint8).reshape(len(whole), -1).ne(0).any(1) if len(whole) else torch.zeros(0).bool()
    places = there.nonzero().reshape(-1)
    into.dims.extend(constant.shape)
    into.values.data_type = constant.elem
    into.values.dims.append(len(places))
    into.values.raw_data = packed(whole[places], ELEMENTS[constant.elem])
    into.indices.data_type = TensorProto.INT64
    into.indices.dims.append(len(places))
    into.indices.raw_data = packed(places, ELEMENTS[TensorProto.INT64])


def _value(value: Value) -> ValueInfoProto:
    proto = ValueInfoProto(name=value.name)
    _set_type(value, proto.type)
    return proto


def _set_type(value: Value, into: TypeProto) -> None:
    if value.kind == "map":
        into.map_type.SetInParent()
    if value.kind in ("unknown", "map"):
        return
    if value.kind == "tensor":
        into.tensor_type.SetInParent()
        tensor = into.tensor_type
    else:
        holder = into.sequence_type if value.kind == "sequence" else into.optional_type
        holder.SetInParent()
        if not value.elem and value.shape is None:
            return
        tensor = holder.elem_type.tensor_type
    if value.elem:
        tensor.elem_type = value.elem
    if value.shape is not None:
        tensor.shape.SetInParent()
        for size in value.shape:
            dim = tensor.shape.dim.add()
            if isinstance(size, int):
                dim.dim_value = size
            elif size:
                dim.dim_param = size
