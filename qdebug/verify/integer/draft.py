"""A graph while it is being rewritten: who makes and who reads each value, and what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.ir import Constant, Model, Node, reads
from qdebug.doors.onnx.read import OnnxFile

OWN = ("", "com.microsoft")
UINT8, INT8, INT32 = 2, 3, 6
EIGHT = (UINT8, INT8)
MOVES = frozenset({"MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""What takes codes as well as numbers, and lets scales be moved across it."""


@dataclass(frozen=True)
class Grid:
    """Stored scale and zero point, as a node reads them.

    Attributes:
        scale, zero: names; the zero point's is empty where it is left out.
        scales: float32, one or several.
        zeros: zero points, zeros where left out.
        elem: element type of the codes.
        axis: which axis several scales lie along.
    """

    scale: str
    zero: str
    scales: Tensor
    zeros: Tensor
    elem: int
    axis: int

    @property
    def is_one(self) -> bool:
        """Whether the tensor has one scale."""
        return self.scales.numel() == 1

    def same(self, other: Grid) -> bool:
        """Whether both have the same one scale and zero point."""
        one = self.is_one and other.is_one and self.scales.dtype == other.scales.dtype
        return one and float(self.scales) == float(other.scales) and int(self.zeros) == int(other.zeros)


@dataclass(frozen=True)
class Codes:
    """A value that is read as numbers of codes.

    Attributes:
        name: the codes' name.
        grid: their scale.
        lane: the element type that the runtime computes them in.
    """

    name: str
    grid: Grid
    lane: int


class Draft:
    """A graph whose nodes are exchanged pass by pass.

    Args:
        file: a read file. It is left as it is.
    """

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.tensors = dict(file.tensors)
        graph = file.model.graph
        self.stored = {constant.name: constant for constant in graph.constants}
        self.outputs = {value.name for value in graph.outputs}
        self.set(graph.nodes)

    def set(self, nodes: Iterable[Node]) -> None:
        """Take these nodes, in an order that can be executed."""
        self.nodes = tuple(nodes)
        self.makers: dict[str, Node] = {}
        self.users: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                self.users[name].append(node)
            for name in node.outputs:
                self.makers[name] = node
            value = node.attributes.get("value")
            if node.op == "Constant" and not node.domain and isinstance(value, Constant):
                self.stored[node.outputs[0]] = replace_name(value, node.outputs[0])

    def finished(self, opsets: Mapping[str, int]) -> OnnxFile:
        """The file with the nodes as they are now, less those that nothing needs."""
        needed, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(reads(node))
        graph = self.file.model.graph
        made = {name for node in kept for name in node.outputs}
        constants = tuple(one for name, one in self.stored.items() if name in needed and name not in made)
        graph = msgspec.structs.replace(graph, nodes=tuple(reversed(kept)), constants=constants)
        model: Model = msgspec.structs.replace(
            self.file.model, graph=graph, opsets={**self.file.model.opsets, **opsets}
        )
        return OnnxFile(model, self.tensors)

    def value(self, name: str) -> Tensor | None:
        """A stored tensor."""
        return self.tensors[self.stored[name].key] if name in self.stored else None

    def store(self, name: str, tensor: Tensor, elem: int) -> str:
        """Add a stored tensor under a name that is free."""
        while name in self.stored or name in self.tensors:
            name += "~"
        self.tensors[name] = tensor
        self.stored[name] = Constant(name, name, elem, tuple(tensor.shape))
        return name

    def free(self, name: str) -> str:
        """A name for a new value."""
        while name in self.makers or name in self.stored:
            name += "~"
        return name

    def only_user(self, name: str) -> Node | None:
        """The node that alone reads a value which is no output of the model."""
        users = self.users.get(name, [])
        return users[0] if len(users) == 1 and name not in self.outputs else None

    def grid(self, node: Node) -> Grid | None:
        """The stored scale of a QuantizeLinear or DequantizeLinear without blocks."""
        if node.attributes.get("block_size") or len(node.inputs) < 2:
            return None
        scales = self.value(node.inputs[1])
        zero = node.inputs[2] if len(node.inputs) > 2 else ""
        if scales is None or scales.dtype != torch.float32 or (zero and zero not in self.stored):
            return None
        if zero:
            elem, zeros = self.stored[zero].elem, self.value(zero)
            assert zeros is not None
        else:
            elem = self._elem(node)
            zeros = torch.zeros(scales.shape, dtype=ELEMENTS[elem].carrier)
            zero = self.store(f"{node.inputs[1]}_zero_point", zeros, elem)
        axis = node.attributes.get("axis", 1)
        return Grid(node.inputs[1], zero, scales, zeros, elem, axis if isinstance(axis, int) else 1)

    def _elem(self, node: Node) -> int:
        """The type of codes without a zero point."""
        if node.op == "QuantizeLinear":
            chosen = node.attributes.get("output_dtype", 0)
            return chosen if isinstance(chosen, int) and chosen else UINT8
        source = node.inputs[0]
        if source in self.stored:
            return self.stored[source].elem
        maker = self.makers.get(source)
        return self._elem(maker) if maker is not None and maker.op == "QuantizeLinear" else UINT8

    def codes(self, name: str) -> Codes | None:
        """What a value's codes are, where it is made by a DequantizeLinear."""
        node = self.makers.get(name)
        if node is None or node.op != "DequantizeLinear" or node.domain not in OWN:
            return None
        grid = self.grid(node)
        return None if grid is None else Codes(node.inputs[0], grid, self.lane(node.inputs[0], grid.elem))

    def lane(self, name: str, elem: int) -> int:
        """The type that the runtime computes codes in.

        On x86-64 ONNX Runtime turns int8 between a QuantizeLinear and its DequantizeLinear into uint8, all codes and
        the zero point 128 higher, where one node reads what comes out (``QDQS8ToU8Transformer``; it gives every
        reader a DequantizeLinear of its own before).
        """
        maker = self.makers.get(name)
        if elem != INT8 or maker is None or maker.op not in (*MOVES, "QuantizeLinear") or name in self.outputs:
            return elem
        return UINT8 if sum(self._readers(name, user) for user in self.users[name]) == 1 else elem

    def _readers(self, name: str, user: Node) -> int:
        """How many nodes read codes by way of one user of theirs; two where it cannot be told."""
        if user.op == "DequantizeLinear":
            numbers = user.outputs[0]
            edges = sum(list(reads(one)).count(numbers) for one in self.users[numbers])
            return edges + (numbers in self.outputs)
        return 1 if user.op in MOVES and user.inputs[0] == name else 2

    def written(self, name: str) -> tuple[Node, Codes] | None:
        """The QuantizeLinear that alone reads a value, and the codes it writes in one scale of eight bits."""
        node = self.only_user(name)
        if node is None or node.op != "QuantizeLinear" or node.domain not in OWN or node.inputs[0] != name:
            return None
        grid = self.grid(node)
        if grid is None or not grid.is_one or grid.elem not in EIGHT:
            return None
        return node, Codes(node.outputs[0], grid, self.lane(node.outputs[0], grid.elem))


def replace_name(constant: Constant, name: str) -> Constant:
    """A stored tensor under another name."""
    return msgspec.structs.replace(constant, name=name)


def same_node(node: Node, **changes: object) -> Node:
    """A node with some fields changed."""
    return msgspec.structs.replace(node, **changes)
