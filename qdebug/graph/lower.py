"""From ``torch.export.ExportedProgram`` to :class:`Program`."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from qdebug.errors import ModelError
from qdebug.graph.program import Program, Ref, Step
from qdebug.graph.unrolling import unroll

_SLICED = re.compile(r"\.slice\((?P<start>\d+|None), (?:-?\d+|None), (?P<step>\d+|None)\)\.(?P<at>\d+)")
_CHECKS = ("_assert", "sym_constrain_range", "_guards_fn")


def lower(exported: ExportedProgram, *, batch: int | None = None) -> Program:
    """The program of an exported graph: functional, dead steps and run-time assertions dropped.

    Recurrent operators are taken apart, see :func:`~qdebug.graph.unrolling.unroll`.

    Args:
        exported: a functional exported program: no operator in it changes a value.
        batch: the batch size it was captured at, if it was captured at a fixed one.

    Raises:
        ModelError: the graph has no tensor output, or holds a construct that cannot be walked step by step.
    """
    nodes = _live_nodes(exported.graph_module.graph, _scored_output(exported))
    return unroll(_Lowering(exported).build(nodes, batch))


def _scored_output(exported: ExportedProgram) -> str:
    for spec in exported.graph_signature.output_specs:
        if spec.kind == OutputKind.USER_OUTPUT and hasattr(spec.arg, "name"):
            return str(spec.arg.name)
    raise ModelError("The model returns no tensor", do="Wrap it in a module whose forward returns the scores.")


def _live_nodes(graph: fx.Graph, output: str) -> list[fx.Node]:
    live: set[fx.Node] = set()
    stack = [node for node in graph.nodes if node.name == output]
    while stack:
        node = stack.pop()
        if node not in live:
            live.add(node)
            stack.extend(node.all_input_nodes)
    return [node for node in graph.nodes if node in live or _is_user_input(node)]


def _is_user_input(node: fx.Node) -> bool:
    return node.op == "placeholder"


class _Lowering:
    """Collects steps while it walks the nodes once."""

    def __init__(self, exported: ExportedProgram) -> None:
        signature = exported.graph_signature
        self.module = exported.graph_module
        self.output = _scored_output(exported)
        self.user = {
            s.arg.name: s for s in signature.input_specs if s.kind == InputKind.USER_INPUT and hasattr(s.arg, "name")
        }
        self.keys = {
            s.arg.name: s.target for s in signature.input_specs if s.target is not None and hasattr(s.arg, "name")
        }
        self.tensors: Mapping[str, Any] = {**exported.state_dict, **exported.constants}
        self.steps: list[Step] = []
        self.state: dict[int, Tensor] = {}
        self.inputs: dict[str, int] = {}
        self.literals: dict[str, Any] = {}
        self.index: dict[str, int] = {}

    def build(self, nodes: list[fx.Node], batch: int | None) -> Program:
        for node in nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "get_attr":
                self._attribute(node)
            elif node.op == "call_function" and not any(word in str(node.target) for word in _CHECKS):
                self._operation(node)
        return Program(tuple(self.steps), self.inputs, self.index[self.output], self.state, batch)

    def _add(self, node: fx.Node, **fields: Any) -> int:
        index = len(self.steps)
        self.steps.append(Step(index=index, **fields))
        self.index[node.name] = index
        return index

    def _placeholder(self, node: fx.Node) -> None:
        if node.name in self.user:
            self.inputs[node.name] = self._add(node, kind="input", name=node.name)
        elif node.name in self.keys and node.users:
            key = self.keys[node.name]
            tensor = self.tensors[key]
            self.state[self._add(node, kind="state", name=key)] = tensor.detach()

    def _attribute(self, node: fx.Node) -> None:
        value = operator.attrgetter(str(node.target))(self.module)
        if isinstance(value, Tensor):
            self.state[self._add(node, kind="state", name=str(node.target))] = value.detach()
        else:
            self.literals[node.name] = value

    def _operation(self, node: fx.Node) -> None:
        target = node.target
        assert callable(target)
        op = str(target) if isinstance(target, torch._ops.OpOverload) else getattr(target, "__name__", str(target))
        args = tuple(self._template(arg) for arg in node.args)
        kwargs = {key: self._template(value) for key, value in node.kwargs.items()}
        self._add(
            node, kind="op", name=node.name, op=op, target=target, args=args, kwargs=kwargs,
            module=_module_path(node), is_view=_may_alias(target),
        )  # fmt: skip

    def _template(self, arg: Any) -> Any:
        if isinstance(arg, fx.Node):
            if arg.name in self.literals:
                return self.literals[arg.name]
            return Ref(self.index[arg.name])
        if isinstance(arg, (list, tuple)):
            return [self._template(item) for item in arg]
        if isinstance(arg, dict):
            return {key: self._template(item) for key, item in arg.items()}
        return arg


def _module_path(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack")
    return _unsliced(str(list(stack.values())[-1][0])) if stack else ""


def _unsliced(path: str) -> str:
    """A path that leads through a slice of a list of modules, ``layers.slice(2, None, None).0``, as ``layers.2``."""

    def place(found: re.Match[str]) -> str:
        start, step = (int(found[one]) if found[one] != "None" else other for one, other in (("start", 0), ("step", 1)))
        return f".{start + int(found['at']) * step}"

    return _SLICED.sub(place, path)


def _may_alias(target: Any) -> bool:
    """Whether the result may share memory with an argument: the schema says so, or it picks from a tuple."""
    if isinstance(target, torch._ops.OpOverload):
        return any(one.alias_info is not None for one in target._schema.returns)
    return True
