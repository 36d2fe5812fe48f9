"""An ONNX graph as plain values: what crosses between processes instead of a protobuf.

Tensors are not in it: they lie beside it, by key (:class:`Constant`). Functions are inlined and nodes are in an order
that can be executed; both are done by the reader.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec


class Constant(msgspec.Struct, frozen=True, tag="tensor"):
    """A stored tensor.

    Attributes:
        name: the value's name in its graph; of an attribute, the attribute's.
        key: where it lies among the file's tensors.
        elem: element type, a number of ``TensorProto.DataType``.
        shape: its shape.
    """

    name: str
    key: str
    elem: int
    shape: tuple[int, ...]


class NonFinite(msgspec.Struct, frozen=True, tag="float"):
    """A float attribute that JSON has no word for."""

    value: Literal["nan", "inf", "-inf"]


class Texts(msgspec.Struct, frozen=True, tag="texts"):
    """A list of strings (a tuple of its own type, since a union can hold one kind of list only)."""

    items: tuple[str, ...]


class Value(msgspec.Struct, frozen=True, tag="value"):
    """An input or output of a graph; or, without a name, the type that an attribute names.

    Attributes:
        name: its name.
        kind: ``tensor``, or what the debugger cannot feed or score.
        elem: element type, 0 where the file does not say; of a sequence or an optional, that of the tensors in it.
        shape: likewise sizes; a name or None where a size may vary; None where even the rank is unknown.
    """

    name: str
    kind: Literal["tensor", "sequence", "optional", "map", "unknown"]
    elem: int = 0
    shape: tuple[int | str | None, ...] | None = None


class Node(msgspec.Struct, frozen=True):
    """One node.

    Attributes:
        name: the file's name for it; where it has none, that of its first output.
        op, domain: the operator; the domain of ONNX's own is empty.
        inputs, outputs: names of values; empty where left out.
        attributes: by name.
    """

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    @property
    def title(self) -> str:
        """Operator with its domain, as people write it."""
        return f"{self.domain}::{self.op}" if self.domain else self.op

    def __str__(self) -> str:
        return f"{self.title} '{self.name}'"


class Graph(msgspec.Struct, frozen=True, tag="graph"):
    """A graph, or the body of a control-flow node."""

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    constants: tuple[Constant, ...]

    @property
    def captured(self) -> tuple[str, ...]:
        """Names of values that it reads from the graph around it, in the order they are met."""
        own = [one.name for one in (*self.inputs, *self.constants)]
        nodes = [(tuple(reads(node)), node.outputs) for node in self.nodes]
        return tuple(dict.fromkeys(captured(own, nodes, [value.name for value in self.outputs])))


Number: TypeAlias = int | float | NonFinite
Attribute: TypeAlias = int | float | str | tuple[Number, ...] | Texts | NonFinite | Constant | Graph | Value


class Model(msgspec.Struct, frozen=True):
    """A whole file.

    Attributes:
        graph: the main graph.
        opsets: opset version by domain.
        producer: who wrote it, in words.
        metadata: the file's own key–value notes.
        ir_version: of the file format.
        renamed: what those of the main graph's nodes are called here whose name another node of the file has too.
    """

    graph: Graph
    opsets: dict[str, int]
    producer: str = ""
    metadata: dict[str, str] = {}
    ir_version: int = 0
    renamed: tuple[str, ...] = ()

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return self.opsets.get("", 0)


def captured(
    own: Iterable[str], nodes: Sequence[tuple[Iterable[str], Iterable[str]]], outputs: Iterable[str]
) -> Iterator[str]:
    """Names that a graph reads and that nothing in it is called.

    Args:
        own: its inputs and stored tensors.
        nodes: what each of its nodes reads and writes.
        outputs: its outputs.
    """
    known = {*own, *(name for _, written in nodes for name in written)}
    for read, _ in nodes:
        yield from (name for name in read if name not in known)
    yield from (name for name in outputs if name not in known)


def reads(node: Node) -> Iterator[str]:
    """Names of the values a node needs: its inputs, and what its bodies take from around them."""
    yield from (name for name in node.inputs if name)
    for body in bodies(node):
        yield from body.captured


def bodies(node: Node) -> Iterator[Graph]:
    """The graphs among a node's attributes."""
    for attribute in node.attributes.values():
        if isinstance(attribute, Graph):
            yield attribute


def plain(attribute: Attribute) -> Attribute | float | tuple[float | str, ...]:
    """An attribute as Python has it: strings of a list, and NaN and Inf, without their wrapping."""
    if isinstance(attribute, NonFinite):
        return float(attribute.value)
    if isinstance(attribute, tuple):
        return tuple(float(one.value) if isinstance(one, NonFinite) else one for one in attribute)
    return attribute.items if isinstance(attribute, Texts) else attribute


def wrapped(value: float) -> float | NonFinite:
    """A float attribute in a form that JSON can carry."""
    if math.isfinite(value):
        return value
    return NonFinite("nan" if math.isnan(value) else "inf" if value > 0 else "-inf")


Tensors: TypeAlias = Mapping[str, object]
