"""A graph under edit: who writes a value, who reads it, and names that collide with nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

from qdebug.doors.onnx.order import ordered, wanted


class Editor:
    """The main graph of a model, changed in place; graphs inside nodes are only told other names for what they read.

    Args:
        proto: the model. It belongs to the editor from here on.
    """

    def __init__(self, proto: ModelProto) -> None:
        self.proto = proto
        graph = proto.graph
        self.nodes = list(graph.node)
        self.initializers = {one.name: one for one in graph.initializer}
        self.inputs = {one.name for one in graph.input} - set(self.initializers)
        self.outputs = {one.name for one in graph.output}
        self.opset = max((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), default=1)
        self.added = 0
        self._taken = set(_names(graph))
        self._written = {name: node for node in self.nodes for name in node.output if name}
        self._read: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(wanted(node)):
                self._read.setdefault(name, []).append(node)

    def producer(self, value: str) -> NodeProto | None:
        """The node that writes a value."""
        return self._written.get(value)

    def readers(self, value: str) -> list[NodeProto]:
        """The nodes that read a value, graphs inside them included, each once."""
        return list(self._read.get(value, ()))

    def knows(self, value: str) -> bool:
        """Whether there is a value of that name."""
        return value in self._written or value in self.initializers or value in self.inputs

    def fresh(self, name: str) -> str:
        """That name, or with a number behind it where somebody has it already."""
        count, found = 1, name
        while found in self._taken:
            count += 1
            found = f"{name}#{count}"
        self._taken.add(found)
        return found

    def add(self, op: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        """A new node of one output, which must be a name that is free or was handed out by :meth:`fresh`."""
        node = helper.make_node(op, list(inputs), [output], self.fresh(f"{output}/{op}"), **attributes)
        self.adopt(node)
        return output

    def adopt(self, node: NodeProto) -> None:
        """Take a new node in."""
        self.nodes.append(node)
        self.added += 1
        for name in node.output:
            self._written[name] = node
        for name in dict.fromkeys(wanted(node)):
            self._read.setdefault(name, []).append(node)

    def store(self, tensor: TensorProto) -> str:
        """A new stored tensor, under its name or one like it."""
        if tensor.name in self.initializers or tensor.name in self._written:
            raise ValueError(f"{tensor.name} is there already")
        self.initializers[tensor.name] = tensor
        return tensor.name

    def set_input(self, node: NodeProto, position: int, value: str) -> None:
        """Make a node read another value at a position, which may lie right behind its last."""
        while len(node.input) <= position:
            node.input.append("")
        before = node.input[position]
        node.input[position] = value
        self._moved(node, before, value)

    def reroute(self, value: str, other: str, nodes: Iterable[NodeProto] | None = None) -> None:
        """Make readers of a value read another: all there are, or those given. Outputs keep their names."""
        for node in self.readers(value) if nodes is None else list(nodes):
            _rename(node, value, other)
            self._moved(node, value, other)

    def move_output(self, node: NodeProto, value: str, other: str) -> None:
        """Make a node write what it wrote under another name; whoever reads the old one waits for a new writer."""
        node.output[list(node.output).index(value)] = other
        del self._written[value]
        self._written[other] = node

    def vacate(self, value: str) -> None:
        """Free the name of a constant, for another value; what only made it goes."""
        if value in self.initializers:
            del self.initializers[value]
        elif value in self._written:
            node = self._written[value]
            if any(name != value and self._wanted(name) for name in node.output if name):
                self.move_output(node, value, self.fresh(f"{value}/float"))
            else:
                self.remove(node)

    def remove(self, node: NodeProto) -> None:
        """Take a node out, and whatever nobody reads any more then."""
        self.nodes = [one for one in self.nodes if one is not node]
        for name in node.output:
            self._written.pop(name, None)
        for name in dict.fromkeys(wanted(node)):
            self._forget(node, name)

    def finish(self) -> ModelProto:
        """The edited model: nodes in order, notes about values that are gone left out."""
        proto, graph = ModelProto(), self.proto.graph
        given = self.inputs | set(self.initializers)
        given |= {one.values.name for one in graph.sparse_initializer}
        nodes = ordered(self.nodes, given, None)
        for field, value in self.proto.ListFields():
            if field.name not in ("graph", "functions"):
                _set(proto, field.name, value)
        for field, value in graph.ListFields():
            if field.name not in ("node", "initializer", "input", "value_info"):
                _set(proto.graph, field.name, value)
        proto.graph.node.extend(nodes)
        proto.graph.initializer.extend(self.initializers.values())
        kept = self.inputs | (set(self.initializers) & {one.name for one in graph.initializer})
        proto.graph.input.extend(one for one in graph.input if one.name in kept)
        proto.graph.value_info.extend(one for one in graph.value_info if one.name in self._written)
        return proto

    def names(self) -> set[str]:
        """All names of nodes and values that there are."""
        own = {node.name for node in self.nodes} | set(self._written) | set(self.initializers) | self.inputs
        return {name for name in own if name}

    def _wanted(self, value: str) -> bool:
        return value in self.outputs or bool(self._read.get(value))

    def _moved(self, node: NodeProto, before: str, after: str) -> None:
        if after and not any(one is node for one in self._read.setdefault(after, [])):
            self._read[after].append(node)
        if before and before not in set(wanted(node)):
            self._forget(node, before)

    def _forget(self, node: NodeProto, value: str) -> None:
        """A node reads a value no longer; where it was the last to, the value goes, unless it is the model's own."""
        self._read[value] = [one for one in self._read.get(value, ()) if one is not node]
        if self._wanted(value):
            return
        self.initializers.pop(value, None)
        writer = self._written.get(value)
        if writer is not None and not any(self._wanted(name) for name in writer.output if name):
            self.remove(writer)


def _set(message: Any, field: str, value: Any) -> None:
    if hasattr(value, "extend") or hasattr(value, "add"):
        getattr(message, field).extend(value)
    elif hasattr(value, "CopyFrom"):
        getattr(message, field).CopyFrom(value)
    else:
        setattr(message, field, value)


def _names(graph: GraphProto) -> Iterator[str]:
    """Every name in a graph and in those inside it."""
    for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        yield one.name
    yield from (one.values.name for one in graph.sparse_initializer)
    for node in graph.node:
        yield node.name
        yield from (*node.input, *node.output)
        for inner in _graphs(node):
            yield from _names(inner)


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _own(graph: GraphProto) -> set[str]:
    own = {one.name for one in (*graph.input, *graph.initializer)}
    return own | {name for node in graph.node for name in node.output}


def _rename(node: NodeProto, value: str, other: str) -> None:
    for position, name in enumerate(node.input):
        if name == value:
            node.input[position] = other
    for graph in _graphs(node):
        if value in _own(graph):
            continue
        for inner in graph.node:
            _rename(inner, value, other)
        for one in graph.output:
            if one.name == value:
                one.name = other
