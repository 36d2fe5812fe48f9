"""Codes of every quantized value out of ONNX Runtime, with its integer kernels left in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from qdebug.doors.onnx.order import wanted
from qdebug.graph.prune import needed
from qdebug.verify.integer.draft import MOVES
from qdebug.verify.runtimes import Here, Runtimes

_KINDS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class RuntimeCodes:
    """What the runtime computed.

    Attributes:
        codes: of every quantized value, by name.
        outputs: of the model, by name.
        kernels: how many of each operator the runtime ran, of those that compute something.
        disturbed: operators of which it would run another number had nobody asked for the codes.
    """

    codes: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    kernels: dict[str, int]
    disturbed: tuple[str, ...]


def runtime_codes(model: ModelProto, feeds: Mapping[str, np.ndarray]) -> RuntimeCodes:
    """Run a quantized model in ONNX Runtime on the CPU and take the codes of every value it quantizes.

    Args:
        model: weights included.
        feeds: inputs by name.

    Raises:
        ModelError: the runtime is not installed, or refuses the model.
    """
    session = opened(model)
    outputs, codes = session.run(feeds)
    disturbed = set(session.disturbed)
    plain = session.plain.run(feeds, list(outputs))
    same = all(np.array_equal(plain[name], value, equal_nan=True) for name, value in outputs.items())
    if not same and not disturbed:
        disturbed.add("outputs")
    return RuntimeCodes(codes, plain, dict(session.operators), tuple(sorted(disturbed)))


class Opened:
    """A quantized model in ONNX Runtime that shows the codes of every value it quantizes.

    An int8 value between a QuantizeLinear and its DequantizeLinears is run as uint8 with all codes 128 higher: so does
    the runtime itself on x86-64, but not where the codes are an output of the model, and then it would compute other
    layers in floats than it does without. What it writes is shifted back.

    Args:
        model: weights included.
        using: what runs it; by default this process.

    Attributes:
        operators: how many of each it runs, of those that compute something.
        nodes: name and operator of every node that it runs.
        disturbed: operators of which it would run another number had nobody asked for the codes.
        plain: the model as a user runs it.
        version: the runtime's.
    """

    def __init__(self, model: ModelProto, using: Runtimes | None = None) -> None:
        using = using or Here()
        self._outputs = [one.name for one in model.graph.output]
        exposed, self._shifted, self._added = _exposed(model)
        coded = coded_values(model)
        self._coded = [*self._added, *(name for name in self._outputs if name in coded)]
        self.plain = undisturbed = using.onnx_runtime(model)
        self._session = using.onnx_runtime(exposed)
        self.operators = self._session.operators
        self.nodes = undisturbed.nodes
        both = self.operators.keys() | undisturbed.operators.keys()
        self.disturbed = tuple(sorted(op for op in both if self.operators[op] != undisturbed.operators[op]))
        self.version = self._session.version

    def run(self, feeds: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The model's outputs and all codes, by name."""
        found = self._session.run(feeds, [*self._outputs, *self._added])
        codes = {
            name: (found[name].astype(np.int16) - 128).astype(np.int8) if name in self._shifted else found[name]
            for name in self._coded
        }
        return {name: found[name] for name in self._outputs if name in found}, codes


def opened(model: ModelProto, using: Runtimes | None = None) -> Opened:
    """A quantized model in ONNX Runtime on the CPU, ready to run. Arguments as for :class:`Opened`.

    Raises:
        ModelError: the runtime is not installed, or refuses the model.
    """
    return Opened(model, using)


def coded_values(model: ModelProto) -> dict[str, int]:
    """The names of values that are written as codes of eight bits, and their element types."""
    zeros = {one.name: one.data_type for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            zeros[node.output[0]] = node.attribute[0].t.data_type
    found: dict[str, int] = {}
    for node in model.graph.node:
        place = _zero_place(node)
        if place is None:
            continue
        elem = zeros.get(node.input[place], 0) if len(node.input) > place and node.input[place] else TensorProto.UINT8
        if node.op_type == "QuantizeLinear":
            elem = next((one.i for one in node.attribute if one.name == "output_dtype" and one.i), elem)
        if elem in (TensorProto.UINT8, TensorProto.INT8):
            found[node.output[0]] = elem
    return found


def _zero_place(node: NodeProto) -> int | None:
    """Which input of a node holds the zero point of the codes that it writes."""
    if node.op_type == "QuantizeLinear":
        return 2
    if node.op_type in ("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul"):
        return 7
    if node.op_type == "QGemm":
        return 8 if len(node.input) > 7 and node.input[7] else None
    if node.op_type == "QLinearConcat":
        return 1
    return 4 if node.op_type.startswith("QLinear") and node.op_type != "QLinearWhere" else None


def _exposed(model: ModelProto) -> tuple[ModelProto, set[str], list[str]]:
    """A copy in which codes are outputs; the names whose codes are 128 higher there; the names that were added."""
    copy = ModelProto()
    copy.CopyFrom(model)
    values, outputs = coded_values(model), {one.name for one in model.graph.output}
    signed = {name for name, elem in values.items() if elem == TensorProto.INT8} - outputs
    shifted, left = _raised(copy, signed)
    left |= _joined(copy) | outputs
    # the runtime leaves out what no output depends on
    live = needed(copy.graph.node, (one.name for one in copy.graph.output), wanted, lambda node: node.output)
    added = [name for name in values if name in live - left]
    for name in added:
        elem = TensorProto.UINT8 if name in shifted else values[name]
        copy.graph.output.append(onnx.helper.make_tensor_value_info(name, elem, None))
    for info in copy.graph.value_info:
        if info.name in shifted:
            info.type.tensor_type.elem_type = TensorProto.UINT8
    return copy, shifted, added


def _joined(copy: ModelProto) -> set[str]:
    """Leave one of several QuantizeLinear that write the same, as the runtime does; the names of the others."""
    stored = {one.name: one for one in copy.graph.initializer}
    first: dict[tuple[Any, ...], str] = {}
    names: dict[str, str] = {}
    outputs = {one.name for one in copy.graph.output}
    for node in copy.graph.node:
        if node.op_type == "QuantizeLinear" and node.output[0] not in outputs:
            given = (numpy_helper.to_array(stored[name]).tobytes() if name in stored else name
                     for name in node.input[1:])  # fmt: skip
            kept = first.setdefault((node.input[0], *given), node.output[0])
            if kept != node.output[0]:
                names[node.output[0]] = kept
    if names:
        nodes = [node for node in copy.graph.node if node.output[0] not in names]
        for node in nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
        del copy.graph.node[:]
        copy.graph.node.extend(nodes)
    return set(names)


def _raised(copy: ModelProto, names: set[str]) -> tuple[set[str], set[str]]:
    """Make int8 values uint8 where the runtime would; also the names that cannot be had without disturbing it."""
    users: dict[str, list[NodeProto]] = defaultdict(list)
    makers: dict[str, NodeProto] = {}
    for node in copy.graph.node:
        for name in node.input:
            users[name].append(node)
        for name in node.output:
            makers[name] = node
    outputs = {one.name for one in copy.graph.output}
    stored = {one.name: one for one in copy.graph.initializer}
    raised: set[str] = set()
    left: set[str] = set()
    for name in names:
        pair = [makers[name], *users[name]]
        zeros = [node.input[2] if len(node.input) > 2 else "" for node in pair]
        if any(node.op_type not in _KINDS for node in pair) or any(zero not in stored for zero in zeros):
            continue
        readers = [user for node in pair[1:] for user in users[node.output[0]]]
        if len(readers) + sum(node.output[0] in outputs for node in pair[1:]) != 1:
            continue
        if readers and readers[0].op_type in MOVES and _spreads(users, readers[0]):
            left.add(name)
            continue
        for node, zero in zip(pair, zeros, strict=True):
            higher = f"{zero}~raised"
            if higher not in stored:
                value = (numpy_helper.to_array(stored[zero]).astype(np.int16) + 128).astype(np.uint8)
                stored[higher] = numpy_helper.from_array(value, higher)
                copy.graph.initializer.append(stored[higher])
            node.input[2] = higher
        raised.add(name)
    return raised, left


def _spreads(users: Mapping[str, list[NodeProto]], node: NodeProto) -> bool:
    """Whether codes that are moved have several readers behind the moves, so that the runtime leaves those int8."""
    behind = users[node.output[0]]
    return len(behind) != 1 or (behind[0].op_type in MOVES and _spreads(users, behind[0]))
