"""From an ONNX graph to a :class:`~qdebug.graph.Program`: steps that know the file's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from qdebug.doors.axes import declared_alike, fixed_batch
from qdebug.doors.onnx import ops  # noqa: F401 - registers the operators
from qdebug.doors.onnx.body import Body
from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.definitions import check_node
from qdebug.doors.onnx.elements import ELEMENTS, name_of
from qdebug.doors.onnx.folding import FAILURES
from qdebug.doors.onnx.ir import Constant, Graph, Node, bodies, plain
from qdebug.doors.onnx.read import OnnxFile
from qdebug.doors.onnx.registry import Operator, kernel_for, lowering_for
from qdebug.doors.onnx.types import output_elements
from qdebug.errors import ModelError
from qdebug.graph.program import Program, Ref
from qdebug.results import TensorSpec

_SCORES = (0, 1, 10, 11, 16)
"""Element types that an output to be scored may have: floats, or unknown."""
_CONSTANTS = {
    "value_float": torch.float32, "value_floats": torch.float32, "value_int": torch.int64, "value_ints": torch.int64,
}  # fmt: skip


@dataclass(frozen=True)
class Lowered:
    """An ONNX file as a program.

    Attributes:
        program: its steps. A step is called as the value it computes, and its ``module`` as its node.
        inputs: what the model wants to be fed.
        unknown: nodes that cannot be run, in words. The program holds them; running one raises ModelError.
    """

    program: Program
    inputs: tuple[TensorSpec, ...]
    unknown: tuple[str, ...]


def lower_onnx(file: OnnxFile) -> Lowered:
    """The program of an ONNX file.

    Raises:
        ModelError: it has an input that is no tensor, or a node contradicts its operator's definition.
    """
    graph = file.model.graph
    lowering = _Lowering(Builder(file.model.opsets), file.tensors)
    specs = tuple(_spec(value) for value in graph.inputs)
    for value in graph.inputs:
        lowering.builder.input(value.name, value.elem)
    lowering.nodes(graph)
    outputs = {value.name: lowering.builder.names[value.name] for value in graph.outputs}
    # The first output that is real numbers is scored: classical models put the label, an integer, before the scores.
    scored = next((name for name in outputs if lowering.builder.elems.get(name, 0) in _SCORES), next(iter(outputs)))
    batch = fixed_batch(specs, declared_alike(specs))
    return Lowered(lowering.builder.program(outputs, batch, scored), specs, tuple(lowering.unknown))


def _spec(value: Any) -> TensorSpec:
    if value.kind != "tensor" or (value.elem and value.elem not in ELEMENTS):
        held = name_of(value.elem) if value.kind == "tensor" else value.kind
        raise ModelError(
            f"The input '{value.name}' is no tensor of numbers but of the kind '{held}'",
            input=value.name,
            do="Export the model with tensors as its inputs.",
        )
    carrier = ELEMENTS[value.elem or 1].carrier
    # Where not even the rank is known, samples are numbers.
    sizes = (None,) if value.shape is None else value.shape
    shape = tuple(size if isinstance(size, int) else None for size in sizes)
    return TensorSpec(name=value.name, shape=shape, dtype=str(carrier).removeprefix("torch."))


class _Lowering:
    """Walks a graph once. Graphs inside nodes have a walk and a builder of their own."""

    def __init__(self, builder: Builder, tensors: Mapping[str, Tensor]) -> None:
        self.builder = builder
        self.tensors = tensors
        self.unknown: list[str] = []

    def nodes(self, graph: Graph) -> None:
        """Add everything of a graph."""
        for constant in graph.constants:
            self.constant(constant.name, constant)
        for node in graph.nodes:
            self.node(node)

    def constant(self, name: str, constant: Constant) -> None:
        """Add a stored tensor."""
        self.builder.names[name] = self.builder.state(name, self.tensors[constant.key])
        self.builder.elems[name] = constant.elem

    def node(self, node: Node) -> None:
        """Add a node."""
        builder = self.builder
        builder.begin(node)
        check_node(node, self._opset(node), self._window_axes(node))
        try:
            results = self._lowered(node)
        except FAILURES as error:
            raise ModelError(
                f"{node.title} cannot be read: its attributes and stored inputs do not fit each other "
                f"({type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]})",
                node=node.name, operator=node.title, do="The file is damaged: write it again.",
            ) from error  # fmt: skip
        if len(results) < len(node.outputs):
            raise ModelError(
                f"{node.title} has {len(results)} outputs, and the node names {len(node.outputs)}",
                node=node.name, operator=node.title, do="The file is damaged: write it again.",
            )  # fmt: skip
        elems = output_elements(node, builder.elems)
        for place, (name, index) in enumerate(zip(node.outputs, results, strict=False)):
            if name:
                builder.names[name] = builder.called(Ref(index), name).index
                builder.elems[name] = elems[min(place, len(elems) - 1)]

    def _window_axes(self, node: Node) -> int | None:
        """Along how many axes a convolution's windows move, where its weight is known and has any."""
        weight = self.builder.constant(node, 1) if node.op in ("Conv", "ConvTranspose") and not node.domain else None
        return None if weight is None else max(weight.dim() - 2, 0)

    def _lowered(self, node: Node) -> tuple[int, ...]:
        """The steps of a node's outputs, by the first that knows how."""
        lowered = lowering_for(node.domain, node.op, self._opset(node))
        results = lowered(self.builder, node) if lowered else None
        if results is None:
            results = self._constant_node(node) or self._branch(node)
        return self._kernel(node) if results is None else results

    def _opset(self, node: Node) -> int:
        return self.builder.opsets.get(node.domain, 1)

    def _kernel(self, node: Node) -> tuple[int, ...]:
        known = kernel_for(node.domain, node.op, self._opset(node))
        if known is None:
            self.unknown.append(f"{node.title} (opset {self._opset(node)}), node '{node.name}'")
        kernel = known.kernel if known else _Unknown(node, self._opset(node))
        args: list[Any] = [self.builder.at(node, place) for place in range(len(node.inputs))]
        while args and args[-1] is None:
            args.pop()
        kwargs = self._keywords(node, known) if known else {}
        op = known.op if known else f"onnx.{node.title}"
        written = [name for name in node.outputs if name]
        if len(node.outputs) == 1:
            return (self.builder.emit(kernel, *args, op=op, name=written[0] if written else node.name, **kwargs).index,)
        several = self.builder.emit(kernel, *args, op=op, name=f"{node.name}/outputs", **kwargs)
        return tuple(
            self.builder.pick(several, place, name).index if name else several.index
            for place, name in enumerate(node.outputs)
        )

    def _keywords(self, node: Node, known: Operator) -> dict[str, Any]:
        found: dict[str, Any] = {}
        captured = _captured(node)
        for name, attribute in node.attributes.items():
            if known.keywords is not None and name not in known.keywords:
                raise ModelError(
                    f"{node.title} of opset {known.since} has no attribute '{name}'", layer=node.name,
                    do="Write the file again with a current exporter.",
                )  # fmt: skip
            found[name] = self._attribute(node, name, attribute, captured)
        if known.wants_outputs:
            found["outputs"] = [bool(name) for name in node.outputs]
        if known.wants_types:
            found["types"] = [self.builder.elems.get(name, 0) for name in node.inputs]
        if any(True for _ in bodies(node)):
            found["captured"] = [Ref(self.builder.names[name]) for name in captured]
        return found

    def _attribute(self, node: Node, name: str, attribute: Any, captured: Sequence[str]) -> Any:
        if isinstance(attribute, Constant):
            return Ref(self.builder.state(f"{node.name}.{name}", self.tensors[attribute.key]))
        if isinstance(attribute, Graph):
            return self._body(attribute, captured)
        return plain(attribute)

    def _body(self, graph: Graph, captured: Sequence[str]) -> Body:
        builder = Builder(self.builder.opsets)
        for value in graph.inputs:
            builder.input(value.name, value.elem)
        for name in captured:
            builder.input(name, self.builder.elems.get(name, 0))
        inner = _Lowering(builder, self.tensors)
        inner.nodes(graph)
        self.unknown += inner.unknown
        # A graph may hand out one value twice, which a mapping by name would hold once.
        outputs = {f"{place}": builder.names[value.name] for place, value in enumerate(graph.outputs)}
        return Body(builder.program(outputs), len(graph.inputs))

    def _constant_node(self, node: Node) -> tuple[int, ...] | None:
        if node.domain or node.op != "Constant":
            return None
        if len(node.attributes) != 1:
            raise ModelError(
                f"A Constant needs one value and has {len(node.attributes)}", node=node.name, operator=node.title,
                do="The file is damaged: write it again.",
            )  # fmt: skip
        name, attribute = next(iter(node.attributes.items()))
        if isinstance(attribute, Constant):
            value = self.tensors[attribute.key]
        elif name in _CONSTANTS:
            value = torch.tensor(plain(attribute), dtype=_CONSTANTS[name])
        else:
            return None
        return (self.builder.state(node.outputs[0], value, node.name),)

    def _branch(self, node: Node) -> tuple[int, ...] | None:
        """The steps of the branch that an If always takes, where its condition is a constant."""
        if node.domain or node.op != "If":
            return None
        condition = self.builder.constant(node, 0)
        if condition is None:
            return None
        graph = node.attributes["then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"]
        assert isinstance(graph, Graph)
        names, elems = self.builder.names, self.builder.elems
        inside = [constant.name for constant in graph.constants]
        inside += [name for one in graph.nodes for name in one.outputs]
        hidden = [(known, {name: known[name] for name in inside if name in known}) for known in (names, elems)]
        self.nodes(graph)
        results = tuple(names[value.name] for value in graph.outputs)
        for known, before in hidden:
            known.update(before)
        return results


def _captured(node: Node) -> tuple[str, ...]:
    """What the graphs of a node read from around them, each once."""
    return tuple(dict.fromkeys(name for body in bodies(node) for name in body.captured))


class _Unknown:
    """Stands in the place of an operator that cannot be run."""

    folds = False

    def __init__(self, node: Node, opset: int) -> None:
        self.node, self.opset = node, opset

    def __call__(self, *inputs: Any, **attributes: Any) -> NoReturn:
        """Say what cannot be run."""
        raise unknown_operator(self.node, self.opset)

    def __repr__(self) -> str:
        return f"unknown {self.node.title}"


def unknown_operator(node: Node, opset: int) -> ModelError:
    """What people are told of an operator that cannot be run."""
    if node.domain:
        do = "Export the model without operators of that domain; its weights can still be inspected."
    else:
        do = "Export the model with other operators, or cut it before this node; its weights can still be inspected."
    return ModelError(
        f"The operator {node.op} cannot be run", domain=node.domain or "ai.onnx", node=node.name, opset=opset, do=do
    )
