"""Model-local functions, written out where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from qdebug.errors import ModelError

DEEPEST = 32
"""Calls within calls."""
MOST_NODES = 200_000
"""Nodes after all functions are written out; more is a bomb."""


class Functions:
    """The functions of a model.

    Args:
        proto: the model.
        opsets: its opset versions by domain.
    """

    def __init__(self, proto: ModelProto, opsets: Mapping[str, int]) -> None:
        self.known: dict[tuple[str, str, str], FunctionProto] = {
            (one.domain, one.name, getattr(one, "overload", "")): one for one in proto.functions
        }
        self.opsets = opsets
        self.count = 0
        self.calls = 0

    def inlined(self, nodes: Iterable[NodeProto], given: Iterable[str], file: Path | None) -> list[NodeProto]:
        """The nodes with calls of the model's functions replaced by the functions' nodes.

        Names of values in a function get the calling node's name in front. ``given`` is what the graph already has.

        Raises:
            ModelError: functions call each other in a circle or grow without bounds.
        """
        if not self.known:
            return list(nodes)
        found: list[NodeProto] = []
        for node in nodes:
            self._expand(node, found, file, 0)
        return found

    def _expand(self, node: NodeProto, found: list[NodeProto], file: Path | None, depth: int) -> None:
        function = self.known.get((node.domain, node.op_type, getattr(node, "overload", "")))
        if function is None:
            found.append(node)
            self.count += 1
            if self.count > MOST_NODES:
                raise ModelError(
                    f"Its functions unfold to more than {MOST_NODES} nodes", file=file,
                    do="Inline them with onnx.inliner before.",
                )  # fmt: skip
            return
        if depth > DEEPEST:
            raise ModelError(
                f"The function '{node.op_type}' calls itself", file=file, do="The file is damaged: write it again."
            )
        self.calls += 1
        for inner in _body(function, node, f"{node.name or node.op_type}#{self.calls}/"):
            self._expand(inner, found, file, depth + 1)


def _body(function: FunctionProto, call: NodeProto, prefix: str) -> list[NodeProto]:
    """The nodes of a function, as the call makes them."""
    names = dict(zip(function.input, call.input, strict=False))
    names.update(dict.fromkeys(function.input[len(call.input) :], ""))
    renamed_outputs: dict[str, str] = {}
    copies: list[tuple[str, str]] = []
    for inner, outer in zip(function.output, call.output, strict=False):
        if not outer:
            continue
        if inner in names or inner in renamed_outputs:  # it hands an input on, or one value twice
            copies.append((inner, outer))
        else:
            renamed_outputs[inner] = outer
    names.update(renamed_outputs)
    given = {one.name: one for one in function.attribute_proto}
    given.update({one.name: one for one in call.attribute})
    nodes = [_copied(node, names, given, prefix) for node in function.node]
    nodes += [
        onnx.helper.make_node("Identity", [names.get(inner, prefix + inner)], [outer], name=f"{prefix}{outer}")
        for inner, outer in copies
    ]
    return nodes


def _copied(node: NodeProto, names: Mapping[str, str], given: Mapping[str, AttributeProto], prefix: str) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = prefix + (node.name or next((name for name in node.output if name), node.op_type))
    for field in (copy.input, copy.output):
        field[:] = [_renamed(name, names, prefix) for name in field]
    del copy.attribute[:]
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name in given:
                copy.attribute.add().CopyFrom(given[attribute.ref_attr_name])
                copy.attribute[-1].name = attribute.name
            continue
        copy.attribute.add().CopyFrom(attribute)
        if attribute.type == AttributeProto.GRAPH:
            _rename_graph(copy.attribute[-1].g, names, given, prefix)
    return copy


def _rename_graph(
    graph: GraphProto, names: Mapping[str, str], given: Mapping[str, AttributeProto], prefix: str
) -> None:
    """Rename what a body reads from around it; its own values get the same prefix, so that nothing collides."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = _renamed(value.name, names, prefix)
    for sparse in graph.sparse_initializer:
        sparse.values.name = _renamed(sparse.values.name, names, prefix)
    inner = [_copied(node, names, given, prefix) for node in graph.node]
    del graph.node[:]
    graph.node.extend(inner)


def _renamed(name: str, names: Mapping[str, str], prefix: str) -> str:
    return names.get(name, prefix + name) if name else name
