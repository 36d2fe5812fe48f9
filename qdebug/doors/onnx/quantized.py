"""Models that are quantized already: the float graph in them, and the scales that came with it.

Pairs of QuantizeLinear and DequantizeLinear (QDQ) and operators on codes (QOperator, and the dynamic ones) are both
ways to say: this value is held in so many codes of such a scale. Here that is taken out of the graph and written down
beside it, so that what somebody else decided can be looked at, and changed, like one's own recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import torch
from torch import Tensor

from qdebug.doors.onnx import dynamic
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.halves import Halves, without_halves
from qdebug.doors.onnx.ir import Attribute, Constant, Graph, Node, reads
from qdebug.doors.onnx.known_by import called_again, read_inside
from qdebug.doors.onnx.nbits import is_nbits, read_nbits
from qdebug.doors.onnx.qoperators import FLOAT_OF, Operands, operands
from qdebug.doors.onnx.read import OnnxFile

_OWN = ("", "com.microsoft")


@dataclass(frozen=True)
class StoredScale:
    """How a file holds a tensor: ``x = (code − zero_point) · scale``.

    Attributes:
        scale: ``[]``, ``[n]`` along ``axis``, or in blocks the shape of the tensor with ``axis`` that much shorter.
        zero_point: of the same shape, holding integers.
        elem: element type of the codes.
        axis: which axis several scales lie along.
        block: values per block along ``axis``; 0 without blocks.
    """

    scale: Tensor
    zero_point: Tensor
    elem: int
    axis: int = 0
    block: int = 0

    def same(self, other: StoredScale) -> bool:
        """Whether both say the same."""
        return (self.elem, self.block) == (other.elem, other.block) and all(
            one.shape == two.shape and torch.equal(one, two)
            for one, two in ((self.scale, other.scale), (self.zero_point, other.zero_point))
        )


@dataclass
class Stored:
    """What a quantized file says about its tensors.

    Attributes:
        weights: scales of stored tensors, by the name they have in the float graph.
        values: scales of activations, by name.
        partly: of these, those that somebody reads as they were before.
        dynamic: names of activations whose range is taken at run time.
        halves: what is computed or rounded in 16 bits.
        int32_bias: whether biases are stored as integers.
        left: what could not be taken out of the graph and is computed as it stands, in words.
    """

    weights: dict[str, StoredScale] = field(default_factory=dict)
    values: dict[str, StoredScale] = field(default_factory=dict)
    partly: set[str] = field(default_factory=set)
    dynamic: set[str] = field(default_factory=set)
    halves: Halves = field(default_factory=Halves)
    int32_bias: bool = False
    left: list[str] = field(default_factory=list)

    def rename(self, moved: Mapping[str, str]) -> None:
        """Call activations by other names."""
        self.values = {moved.get(name, name): one for name, one in self.values.items()}
        self.halves.values = {moved.get(name, name): one for name, one in self.halves.values.items()}
        self.partly, self.dynamic = ({moved.get(name, name) for name in known} for known in (self.partly, self.dynamic))

    @property
    def is_empty(self) -> bool:
        """Whether the file was a float model."""
        halves = self.halves.layers or self.halves.values or self.halves.weights
        return not (self.weights or self.values or self.dynamic or halves)


def unquantized(file: OnnxFile) -> tuple[OnnxFile, Stored]:
    """The float model in a quantized file, and what the file says about codes. A float model comes back as it is.

    Stored codes become floats under the same names. What cannot be read so (a scale that is computed, codes that are
    used as numbers) stays in the graph and is executed as it stands.
    """
    tensors = dict(file.tensors)
    graph, halves = without_halves(file.model.graph, tensors)
    if graph is file.model.graph and not any(_is_quantized(node) for node in graph.nodes):
        return file, Stored()
    work = _Unquantizing(tensors, halves)
    graph = work.graph(graph)
    model = msgspec.structs.replace(file.model, graph=graph)
    return OnnxFile(model, work.tensors), work.stored


def _is_quantized(node: Node) -> bool:
    return node.domain in _OWN and (
        node.op in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
        or node.op in FLOAT_OF
        or is_nbits(node)
    )


class _Unquantizing:
    """Walks a graph once. ``real`` tells the float value that a name stands for now."""

    def __init__(self, tensors: dict[str, Tensor], halves: Halves) -> None:
        self.tensors = tensors
        self.stored = Stored(halves=halves)
        self.found_at_run_time: dict[str, tuple[str, ...]] = {}
        self.constants: dict[str, Constant] = {}
        self.originals: dict[str, Constant] = {}  # codes that are floats by now: another node may read them too
        self.real: dict[str, str] = {}
        self.coded: dict[str, StoredScale] = {}
        self.written: set[str] = set()
        self.nodes: list[Node] = []
        self.makers: dict[str, int] = {}
        self.readers: Counter[str] = Counter()
        self.products = dynamic.DynamicProducts()
        self.inside: set[str] = set()

    def graph(self, graph: Graph) -> Graph:
        """The graph in floats."""
        self.constants = {constant.name: constant for constant in graph.constants}
        self.inside = read_inside(graph.nodes)
        self.readers.update(value.name for value in graph.outputs)
        self.readers.update(name for node in graph.nodes if node.op != "QuantizeLinear" for name in reads(node))
        for node in graph.nodes:
            self.node(node)
        nodes, moved = called_again(self.nodes, [value.name for value in graph.outputs], self.real)
        self.stored.rename(moved)
        return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=tuple(self.constants.values()))

    def node(self, node: Node) -> None:
        """Take one node in."""
        product = self.products.see(node)
        if product is not None and self._product(product):
            return
        if node.op == "DynamicQuantizeLinear" and len(node.outputs) == 3:
            source = self.real.get(node.inputs[0], node.inputs[0])
            self.found_at_run_time[node.outputs[0]] = (source, *node.outputs[1:])
        if node.domain in _OWN:
            if node.op == "Constant" and "value" in node.attributes:
                value = node.attributes["value"]
                if isinstance(value, Constant):
                    self.constants[node.outputs[0]] = msgspec.structs.replace(value, name=node.outputs[0])
                    return
            handler = {"QuantizeLinear": self._quantize, "DequantizeLinear": self._dequantize}.get(node.op)
            if handler and handler(node):
                return
            if node.op in FLOAT_OF and self._operator(node):
                return
            if is_nbits(node) and self._weight_only(node):
                return
        self._other(node)

    def scale(self, node: Node, scale: int, zero_point: int, elem: int = 0) -> StoredScale | None:
        """The scale that two of a node's inputs hold, where they are stored."""
        name = node.inputs[scale]
        if name not in self.constants:
            return None
        values = self.tensors[self.constants[name].key].float()
        zero = node.inputs[zero_point] if zero_point < len(node.inputs) else ""
        if zero and zero not in self.constants:
            return None
        points = self.tensors[self.constants[zero].key] if zero else torch.zeros_like(values)
        elem = self.constants[zero].elem if zero else elem or int(_number(node.attributes.get("output_dtype", 0))) or 2
        if values.numel() == 1:
            values, points = values.reshape(()), points.reshape(())
        axis = int(_number(node.attributes.get("axis", 1)))
        block = int(_number(node.attributes.get("block_size", 0)))
        return StoredScale(values, points.float(), elem, axis, block)

    def _quantize(self, node: Node) -> bool:
        """A value is put into codes: from here on they stand for the value itself."""
        scale = self.scale(node, 1, 2)
        source = self.real.get(node.inputs[0], node.inputs[0])
        if scale is None or scale.scale.dim() or source in self.constants:
            self.stored.left.append(f"{node} is computed as it stands")
            return False
        if not ELEMENTS[scale.elem].name.startswith(("int", "uint")):
            self.stored.left.append(f"{node} rounds '{source}' to {ELEMENTS[scale.elem].name}")
            return False
        if self.readers[node.inputs[0]]:
            self.stored.partly.add(source)
        source = self._clipped(source, scale)
        known = self.stored.values.setdefault(source, scale)
        if not known.same(scale):
            self.stored.left.append(f"{node} holds '{source}' at a second scale")
            return False
        self.real[node.outputs[0]] = source
        self.coded[node.outputs[0]] = scale
        self.written.add(node.outputs[0])
        self.nodes.append(_reading(node, self.real))  # dead, unless somebody wants the codes
        return True

    def _dequantize(self, node: Node) -> bool:
        """Codes are read: a stored tensor becomes floats, a value is itself again."""
        codes = node.inputs[0]
        if codes in self.found_at_run_time and self.found_at_run_time[codes][1:] == tuple(node.inputs[1:3]):
            source = self.found_at_run_time[codes][0]
            self.stored.dynamic.add(source)
            self.real[node.outputs[0]] = source
            return True
        scale = self.scale(node, 1, 2, self._original(codes).elem if codes in self.constants else 0)
        if scale is None:
            return False
        if codes in self.constants:
            self.real[node.outputs[0]] = self.constant(codes, scale)
            return True
        if codes not in self.coded or not self.coded[codes].same(scale):
            return False
        self.real[node.outputs[0]] = self.real[codes]
        return True

    def constant(self, name: str, scale: StoredScale) -> str:
        """The stored tensor as floats, under its own name if nobody has that yet."""
        constant = self._original(name)
        known = self.stored.weights.get(name)
        if known is not None and known.same(scale):
            return name
        new = name if known is None and self._only_codes(name) else f"{name}/dequantized{len(self.tensors)}"
        values = dequantized(self.tensors[constant.key], scale)
        key = f"{constant.key}/dequantized{len(self.tensors)}"
        self.tensors[key] = values
        self.originals[name] = constant
        self.constants[new] = Constant(new, key, 1, tuple(values.shape))
        if constant.elem == 6:
            self.stored.int32_bias = True
        else:
            self.stored.weights[new] = scale
        return new

    def _original(self, name: str) -> Constant:
        """The stored tensor as the file has it."""
        return self.originals.get(name) or self.constants[name]

    def _only_codes(self, name: str) -> bool:
        return self.constants[name].elem not in (1, 10, 11, 16) and name not in self.inside

    def _operator(self, node: Node) -> bool:
        """An operator on codes becomes the operator on values."""
        found = operands(node)
        inputs: list[str] = []
        for part in found.inputs:
            name = self._operand(node, part)
            if name is None:
                self.stored.left.append(f"{node} works on codes whose scale is computed")
                return False
            inputs.append(name)
        out = self.scale(node, *found.output) if found.output else None
        if found.output and out is None:
            return False
        if found.bias is not None and found.bias < len(node.inputs) and node.inputs[found.bias]:
            bias = self._bias(node, found, inputs)
            if bias is None:
                return False
            inputs.append(bias)
        name = node.outputs[0]
        self._add(Node(node.name, FLOAT_OF[node.op], "", tuple(inputs), (name,), _kept(node)))
        self.real[name] = name
        if out is not None:
            self.coded[name] = out
            self.stored.values[self._clipped(name, out, alone=True)] = out
        return True

    def _add(self, node: Node) -> None:
        self.makers.update((name, len(self.nodes)) for name in node.outputs)
        self.nodes.append(node)

    def _clipped(self, name: str, scale: StoredScale, *, alone: bool = False) -> str:
        """The value whose codes these are: what was written, without what lies below a range that starts at zero.

        Quantizers leave out a ReLU before such a range, since the codes' lower end does its work. ``alone``: nobody
        reads the value but as codes.
        """
        place = self.makers.get(name)
        starts_at_zero = not scale.scale.dim() and float(scale.zero_point) == lowest_code(scale.elem)
        if place is None or not starts_at_zero or self._is_positive(self.nodes[place]):
            return name
        node = self.nodes[place]
        if self.readers[name] and not alone:  # somebody reads it as it was before
            clipped, raw = f"{name}/relu", name
        else:
            clipped, raw = name, f"{name}/unclipped"
            written = tuple(raw if one == name else one for one in node.outputs)
            self.nodes[place] = msgspec.structs.replace(node, outputs=written)
        self._add(Node(f"{node.name}/relu", "Relu", "", (raw,), (clipped,), {}))
        return clipped

    def _is_positive(self, node: Node) -> bool:
        if node.op in _POSITIVE:
            return True
        first = self.makers.get(node.inputs[0]) if node.inputs else None
        return node.op in _KEEPS_SIGN and first is not None and self._is_positive(self.nodes[first])

    def _product(self, found: dynamic.Found) -> bool:
        """A product of codes whose scale is found at run time becomes one of real numbers."""
        parts = [found.weight, found.scale, *([found.zero_point] if found.zero_point else [])]
        if any(name not in self.constants for name in parts):
            return False
        scale, *zero = (self.tensors[self.constants[name].key].float() for name in parts[1:])
        points = zero[0] if zero else torch.zeros_like(scale)
        if scale.numel() == 1:
            scale, points = scale.reshape(()), points.reshape(())
        elem = self.constants[found.weight].elem
        axis = 0 if found.node.op == "ConvInteger" else -1
        weight = self.constant(found.weight, StoredScale(scale, points.expand_as(scale), elem, axis))
        x = self.real.get(found.x, found.x)
        self.stored.dynamic.add(x)
        operator = dynamic.FLOAT_OF[found.node.op]
        self._add(Node(found.node.name, operator, "", (x, weight), (found.output,), _kept(found.node)))
        return True

    def _weight_only(self, node: Node) -> bool:
        """A layer whose weight alone is held in few bits."""
        stored = {name: self.tensors[self.constants[name].key] for name in node.inputs if name in self.constants}
        found = read_nbits(node, stored)
        if found is None:
            self.stored.left.append(f"{node} is computed as it stands")
            return False
        weight, scale, zero_point, elem, size = found
        name = f"{node.inputs[1]}/dequantized" if node.inputs[1] in self.stored.weights else node.inputs[1]
        self._added(name, weight, 1, key=f"{name}/{len(self.tensors)}")
        self.stored.weights[name] = StoredScale(scale, zero_point, elem, 0, size)
        x = self.real.get(node.inputs[0], node.inputs[0])
        bias = node.inputs[5] if len(node.inputs) > 5 else ""
        out = f"{node.outputs[0]}/product" if bias else node.outputs[0]
        self._add(Node(node.name, "MatMul", "", (x, name), (out,), {}))
        if bias:
            self._add(Node(f"{node.name}/bias", "Add", "", (out, bias), (node.outputs[0],), {}))
        return True

    def _operand(self, node: Node, part: Operands.Part) -> str | None:
        name = node.inputs[part.value]
        scale = self.scale(node, part.scale, part.zero_point)
        if scale is None:
            return None
        if name in self.constants:
            return self.constant(name, replace(scale, elem=self._original(name).elem, axis=part.axis))
        return self.real.get(name) if name in self.coded else None

    def _bias(self, node: Node, found: Operands, inputs: list[str]) -> str | None:
        """A bias in multiples of both scales, as floats."""
        name = node.inputs[found.bias]  # type: ignore[index]
        x, w = (self.scale(node, part.scale, part.zero_point) for part in found.inputs[:2])
        if name not in self.constants or x is None or w is None:
            return None
        product = x.scale * w.scale
        return self.constant(name, StoredScale(product, torch.zeros_like(product), 6, 0))

    def _other(self, node: Node) -> None:
        """Any other operator reads real values; one that moves codes about hands their scale on."""
        first = node.inputs[0] if node.inputs else ""
        if node.op == "Reshape" and not node.domain and self.real.get(first, first) in self.stored.weights:
            self.stored.weights[node.outputs[0]] = self.stored.weights[self.real.get(first, first)]
        if first in self.coded and node.op in _MOVING and not node.domain:
            self._add(_reading(node, self.real))
            self.coded[node.outputs[0]] = self.stored.values[node.outputs[0]] = self.coded[first]
            self.real[node.outputs[0]] = node.outputs[0]
            return
        codes = {name: self._codes(name) for name in node.inputs if name in self.coded}
        self._add(_reading(node, {**self.real, **codes}))
        if codes:
            self.stored.left.append(f"{node} reads codes as numbers")

    def _codes(self, name: str) -> str:
        """The codes of a value: written by the file's own node, or anew."""
        if name not in self.written:
            scale = self.coded[name]
            parts = [self._added(f"{name}/scale", scale.scale, 1)]
            zero = scale.zero_point.to(ELEMENTS[scale.elem].carrier)
            parts.append(self._added(f"{name}/zero_point", zero, scale.elem))
            node = Node(f"{name}/codes", "QuantizeLinear", "", (self.real[name], *parts), (f"{name}/codes",), {})
            self.nodes.append(node)
            self.written.add(name)
        return name if name not in self.real or self.real[name] != name else f"{name}/codes"

    def _added(self, name: str, values: Tensor, elem: int, key: str = "") -> str:
        key = key or name
        self.tensors[key] = values
        self.constants[name] = Constant(name, key, elem, tuple(values.shape))
        return name


_MOVING = {
    "MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Slice", "Gather", "Split", "Pad",
    "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Relu",
}  # fmt: skip


_POSITIVE = {"Relu", "Sigmoid", "Softmax", "HardSigmoid", "Abs", "Exp", "Sqrt", "Softplus", "QuantizeLinear"}
_KEEPS_SIGN = _MOVING | {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "Resize"}


def lowest_code(elem: int) -> int:
    """The smallest code of an integer element type."""
    element = ELEMENTS[elem]
    return -(1 << (element.bits - 1)) if element.name.startswith("int") else 0


def dequantized(codes: Tensor, scale: StoredScale) -> Tensor:
    """Codes as float32: ``(code − zero_point) · scale``, as DequantizeLinear has it."""
    step, zero = scale.scale, scale.zero_point
    if step.dim() == 1 and not scale.block:
        shape = [1] * codes.dim()
        shape[scale.axis % codes.dim()] = -1
        step, zero = step.reshape(shape), zero.reshape(shape)
    elif scale.block:
        axis = scale.axis % codes.dim()
        step, zero = (
            one.repeat_interleave(scale.block, axis).narrow(axis, 0, codes.shape[axis]) for one in (step, zero)
        )
    return (codes.float() - zero) * step


def _reading(node: Node, real: Mapping[str, str]) -> Node:
    names = tuple(real.get(name, name) if name else name for name in node.inputs)
    return msgspec.structs.replace(node, inputs=names)


def _kept(node: Node) -> dict[str, Attribute]:
    return {key: value for key, value in node.attributes.items() if key != "channels_last"}


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0
