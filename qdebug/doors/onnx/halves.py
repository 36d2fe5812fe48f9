"""Layers of a float model that a file computes, or whose inputs it rounds, in 16 bits between casts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from torch import Tensor

from qdebug.doors.onnx.ir import Constant, Graph, Node, reads
from qdebug.doors.onnx.known_by import read_inside

_NAMES = {10: "fp16", 16: "bf16"}
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_FLOAT = 1


@dataclass
class Halves:
    """What was found.

    Attributes:
        layers: format by the name of a node that computes in 16 bits.
        values: format by the name of an activation that is rounded to 16 bits for its readers.
        weights: format by the name of a stored tensor that is kept in 16 bits and read as float32.
    """

    layers: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


def without_halves(graph: Graph, tensors: dict[str, Tensor]) -> tuple[Graph, Halves]:
    """The graph in float32 where a cast to 16 bits, one layer at most, and a cast back stand in a row.

    A model that computes in 16 bits throughout stays as it is. ``tensors`` gets the widened weights.
    """
    return _Widening(graph, tensors).done()


class _Widening:
    def __init__(self, graph: Graph, tensors: dict[str, Tensor]) -> None:
        self.graph, self.tensors = graph, tensors
        self.constants = {constant.name: constant for constant in graph.constants}
        self.users: dict[str, list[Node]] = defaultdict(list)
        for node in graph.nodes:
            for name in reads(node):
                self.users[name].append(node)
        inside = read_inside(graph.nodes)
        self.outputs = {value.name for value in graph.outputs} | inside  # names that somebody outside reads
        self.fixed = inside
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        self.found = Halves()
        self.alias: dict[str, str] = {}
        self.gone: set[str] = set()
        self.layers: dict[str, Node] = {}

    def done(self) -> tuple[Graph, Halves]:
        for node in self.graph.nodes:
            if node.op == "Cast" and not node.domain:
                self._cast(node)
        if not (self.alias or self.layers):
            return self.graph, self.found
        nodes = [self._written(node) for node in self.graph.nodes if node.outputs[0] not in self.gone]
        graph = msgspec.structs.replace(self.graph, nodes=tuple(nodes), constants=tuple(self.constants.values()))
        return graph, self.found

    def _cast(self, node: Node) -> None:
        source, out = node.inputs[0], node.outputs[0]
        constant = self.constants.get(source)
        if constant and constant.elem in _NAMES and source not in self.fixed and node.attributes.get("to") == _FLOAT:
            self.found.weights[self._wide(source)] = _NAMES[constant.elem]
            self._gone(out, source)
            return
        form = _NAMES.get(node.attributes.get("to"))  # type: ignore[arg-type]
        users = self.users[out]
        if form is None or not users or out in self.outputs or source in self.constants:
            return
        if all(self._is_back(user) for user in users):
            self.found.values[source] = form
            for user in users:
                self._gone(user.outputs[0], source)
        elif all(self._is_alone(user, node) for user in users):
            for user in users:
                self._layer(user, source, form)
            self.gone.add(out)

    def _gone(self, name: str, real: str) -> None:
        """A cast is left out: its readers read what it read."""
        if name not in self.outputs:
            self.alias[name] = real
            self.gone.add(name)

    def _is_back(self, node: Node) -> bool:
        return node.op == "Cast" and node.attributes.get("to") == _FLOAT and node.outputs[0] not in self.outputs

    def _is_alone(self, node: Node, cast: Node) -> bool:
        """Whether a node is a layer in 16 bits whose one input is the cast and whose output is cast back at once."""
        stored = all(not name or (name in self.constants and name not in self.fixed) for name in node.inputs[1:])
        users = self.users[node.outputs[0]]
        back = len(users) == 1 and users[0].op == "Cast" and users[0].attributes.get("to") == _FLOAT
        given = node.inputs[0] == cast.outputs[0]
        return node.op in _LAYERS and stored and back and given and node.outputs[0] not in self.outputs

    def _layer(self, node: Node, source: str, form: str) -> None:
        back = self.users[node.outputs[0]][0]
        inputs = (source, *(self._wide(name) if name else name for name in node.inputs[1:]))
        self.layers[node.outputs[0]] = msgspec.structs.replace(node, inputs=inputs, outputs=back.outputs)
        self.gone.add(back.outputs[0])
        self.found.layers[node.name] = form

    def _wide(self, name: str) -> str:
        """A stored tensor as float32, under its own name."""
        constant = self.constants[name]
        if constant.elem in _NAMES:
            key = f"{constant.key}/wide"
            self.tensors[key] = self.tensors[constant.key].float()
            self.constants[name] = Constant(name, key, _FLOAT, constant.shape)
        return name

    def _written(self, node: Node) -> Node:
        node = self.layers.get(node.outputs[0], node)
        return msgspec.structs.replace(node, inputs=tuple(self._real(node.inputs)))

    def _real(self, names: Iterable[str]) -> Iterable[str]:
        for name in names:
            real = name
            while real in self.alias:
                real = self.alias[real]
            yield real
