"""A graph's protobuf as plain values: one walk, which checks what it passes and collects the tensors."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Sequence
from typing import Any, Literal, NoReturn

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, TypeProto, ValueInfoProto
from torch import Tensor

from qdebug.doors.onnx.external import Folder
from qdebug.doors.onnx.functions import Functions
from qdebug.doors.onnx.ir import Attribute, Constant, Graph, Node, Texts, Value, wrapped
from qdebug.doors.onnx.order import called, ordered, texts
from qdebug.doors.onnx.parse import NOT_TEXT, are_texts, own
from qdebug.doors.onnx.tensors import LARGEST, read_sparse, read_tensor
from qdebug.errors import FileError, ModelError

DEEPEST = 16
"""Graphs within graphs."""
MOST = 1_000_000
"""Nodes of a file, and likewise stored tensors; more is a bomb."""
LONGEST = 2**24
"""Numbers in a list attribute."""
MOST_DENSE = 2**30
"""Elements that a file's sparse tensors may unfold to."""
_DAMAGED = "The file is damaged: write it again."

_KINDS: dict[str, Literal["tensor", "sequence", "optional", "map", "unknown"]] = {
    "tensor_type": "tensor", "sequence_type": "sequence", "optional_type": "optional", "map_type": "map",
}  # fmt: skip

Names = ChainMap[str, None]
"""Names of values, those of the innermost graph first: a body adds its own without copying what is around it."""


class Walk:
    """Walks the graphs of a file.

    Args:
        folder: where tensors beside the file may lie.
        functions: the file's functions.

    Attributes:
        tensors: what has been stored in the graphs so far, by key.
    """

    def __init__(self, folder: Folder, functions: Functions) -> None:
        self.folder = folder
        self.functions = functions
        self.tensors: dict[str, Tensor] = {}
        self._nodes = 0
        self._dense = 0

    def graph(self, proto: GraphProto, around: Names | None = None, depth: int = 0) -> Graph:
        """A graph.

        Args:
            proto: as the file has it.
            around: the values that it can see of the graphs around it.
            depth: how many graphs are around it.

        Raises:
            FileError: a stored tensor is damaged or lies elsewhere.
            ModelError: the graph contradicts itself, or is too deep or too large to be meant.
        """
        if depth > DEEPEST:
            self._refuse(f"Graphs lie more than {DEEPEST} deep in each other", graph=proto.name)
        self._check_texts(proto)
        constants = self._constants(proto)
        stored = {constant.name for constant in constants}
        inputs = tuple(self._value(one) for one in proto.input if one.name not in stored)
        known: Names = (around or ChainMap()).new_child(dict.fromkeys(stored))
        for value in inputs:
            if not value.name or value.name in known.maps[0]:
                self._refuse(f"Two inputs are called '{value.name}'" if value.name else "An input has no name")
            known[value.name] = None
        nodes = self.functions.inlined(proto.node)
        self._nodes += len(nodes)
        if self._nodes > MOST:
            self._refuse(f"It has more than {MOST} nodes")
        read: list[Node] = []
        for node in ordered(nodes, known, self.folder.file):
            read.append(self._node(node, known, depth))
            known.update(dict.fromkeys(name for name in node.output if name))
        outputs = tuple(self._value(one) for one in proto.output)
        for value in outputs:
            if value.name not in known:
                self._refuse(f"No node writes the output '{value.name}'", graph=proto.name)
        return Graph(proto.name, tuple(read), inputs, outputs, tuple(constants))

    def _check_texts(self, proto: GraphProto) -> None:
        values = [text for one in (*proto.input, *proto.output) for text in (one.name, *_names(one))]
        stored = [one.name for one in proto.initializer] + [one.values.name for one in proto.sparse_initializer]
        nodes = (text for node in proto.node for text in texts(node))
        if not are_texts(proto.name, *values, *stored) or not all(map(are_texts, nodes)):
            raise FileError(NOT_TEXT, file=self.folder.file, do=_DAMAGED)

    def _constants(self, proto: GraphProto) -> list[Constant]:
        if len(self.tensors) + len(proto.initializer) > MOST:
            self._refuse(f"It has more than {MOST} stored tensors")
        found: dict[str, Constant] = {}
        for one in proto.initializer:
            found[self._once(one.name, found)] = self._constant(one, one.name)
        for sparse in proto.sparse_initializer:
            name = self._once(sparse.values.name, found)
            found[name] = self._sparse(sparse, name)
        return list(found.values())

    def _once(self, name: str, found: Collection[str]) -> str:
        if not name or name in found:
            self._refuse(f"Two stored tensors are called '{name}'" if name else "A stored tensor has no name")
        return name

    def _constant(self, proto: TensorProto, name: str) -> Constant:
        return self._kept(name, proto.data_type, read_tensor(proto, self.folder, name))

    def _sparse(self, proto: SparseTensorProto, name: str) -> Constant:
        dense = read_sparse(proto, self.folder, name, MOST_DENSE - self._dense)
        self._dense += dense.numel()
        return self._kept(name, proto.values.data_type, dense)

    def _kept(self, name: str, elem: int, tensor: Tensor) -> Constant:
        """A tensor under a key of its own: its name where that is free (an initializer's of the main graph is)."""
        key, count = name, len(self.tensors)
        while not key or key in self.tensors:
            key, count = f"{name}@{count}", count + 1
        self.tensors[key] = tensor
        return Constant(name, key, elem, tuple(tensor.shape))

    def _node(self, proto: NodeProto, around: Names, depth: int) -> Node:
        name = called(proto)
        if not proto.op_type:
            self._refuse("A node has no operator", node=name)
        attributes: dict[str, Attribute] = {}
        for one in proto.attribute:
            if not one.name or one.name in attributes:
                self._refuse(
                    f"Two attributes are called '{one.name}'" if one.name else "An attribute has no name",
                    node=name, operator=proto.op_type,
                )  # fmt: skip
            attributes[one.name] = self._attribute(one, name, around, depth)
        return Node(name, proto.op_type, own(proto.domain), tuple(proto.input), tuple(proto.output), attributes)

    def _attribute(self, proto: AttributeProto, node: str, around: Names, depth: int) -> Attribute:
        if proto.ref_attr_name:
            self._refuse(
                f"The attribute '{proto.name}' is taken from '{proto.ref_attr_name}' of a function, and is in none",
                node=node,
            )
        kind = AttributeProto
        match proto.type:
            case kind.FLOAT:
                return wrapped(proto.f)
            case kind.INT:
                return proto.i
            case kind.STRING:
                return self._text(proto.s, node)
            case kind.TENSOR:
                return self._constant(proto.t, f"{node}.{proto.name}")
            case kind.SPARSE_TENSOR:
                return self._sparse(proto.sparse_tensor, f"{node}.{proto.name}")
            case kind.GRAPH:
                return self.graph(proto.g, around, depth + 1)
            case kind.INTS:
                return self._list(proto.ints, proto.name, node)
            case kind.FLOATS:
                return tuple(map(wrapped, self._list(proto.floats, proto.name, node)))
            case kind.STRINGS:
                return Texts(tuple(self._text(one, node) for one in self._list(proto.strings, proto.name, node)))
            case kind.TYPE_PROTO:
                return self._type("", proto.tp)
        self._refuse(
            f"The attribute '{proto.name}' has a type that is not understood", node=node,
            do="Write the file again with a current exporter.",
        )  # fmt: skip

    def _list(self, values: Sequence[Any], name: str, node: str) -> tuple[Any, ...]:
        if len(values) > LONGEST:
            self._refuse(f"The attribute '{name}' lists more than {LONGEST} values", node=node)
        return tuple(values)

    def _text(self, raw: bytes, node: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse("An attribute's text is not UTF-8", node=node)

    def _value(self, proto: ValueInfoProto) -> Value:
        return self._type(proto.name, proto.type)

    def _type(self, name: str, proto: TypeProto) -> Value:
        field = proto.WhichOneof("value") or ""
        kind = _KINDS.get(field, "unknown")
        if kind not in ("tensor", "sequence", "optional"):
            return Value(name, kind)
        tensor = proto.tensor_type if kind == "tensor" else getattr(proto, field).elem_type.tensor_type
        if not tensor.HasField("shape"):
            return Value(name, kind, tensor.elem_type)
        shape = tuple(_size(one) for one in tensor.shape.dim)
        if any(isinstance(size, int) and size > LARGEST for size in shape):
            self._refuse("A value has impossible sizes", value=name, shape=list(shape))
        return Value(name, kind, tensor.elem_type, shape)

    def _refuse(self, what: str, *, do: str = _DAMAGED, **where: object) -> NoReturn:
        raise ModelError(what, do=do, file=self.folder.file, **where)


def _names(value: ValueInfoProto) -> list[str]:
    tensors = (value.type, value.type.sequence_type.elem_type, value.type.optional_type.elem_type)
    return [one.dim_param for kind in tensors for one in kind.tensor_type.shape.dim]


def _size(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None
