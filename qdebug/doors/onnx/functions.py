"""Model-local functions, written out where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from qdebug.doors.onnx.definitions import operator_of
from qdebug.doors.onnx.order import called, texts
from qdebug.doors.onnx.parse import NOT_TEXT, are_texts, own
from qdebug.errors import FileError, ModelError

DEEPEST = 32
"""Calls within calls."""
MOST_CALLS = 100_000
"""Calls of functions in a file, and nodes that they unfold to; more is a bomb."""
MOST_BYTES = 2**28
"""Bytes that calls may unfold to: a function's own constants are written out at each call."""
Key = tuple[str, str, str]
_DAMAGED = "The file is damaged: write it again."


class Functions:
    """The functions of a model.

    Args:
        proto: the model.
        opsets: its opset versions by domain.
        file: for messages.

    Raises:
        ModelError: two functions have one name, they call each other in a circle, or one is written for an opset in
            which its operators mean something else than in the model's.
    """

    def __init__(self, proto: ModelProto, opsets: Mapping[str, int], file: Path | None) -> None:
        self.file = file
        self.known: dict[Key, FunctionProto] = {}
        for one in proto.functions:
            names = (one.name, one.domain, getattr(one, "overload", ""), *one.input, *one.output, *one.attribute)
            nodes = (text for node in _all(one.node) for text in texts(node))
            given = (text for entry in one.attribute_proto for text in (entry.name, entry.ref_attr_name))
            domains = (entry.domain for entry in one.opset_import)
            if not are_texts(*names, *nodes, *given, *domains):
                raise FileError(NOT_TEXT, file=file, do=_DAMAGED)
            key = (own(one.domain), one.name, getattr(one, "overload", ""))
            if key in self.known:
                raise ModelError(f"Two functions are called '{one.name}'", file=file, function=one.name, do=_DAMAGED)
            self.known[key] = one
            _same_meaning(one, opsets, file)
        self._nodes = 0
        self._calls = 0
        self._bytes = 0
        self._no_circle()

    def inlined(self, nodes: Iterable[NodeProto]) -> list[NodeProto]:
        """The nodes with calls of the model's functions replaced by the functions' nodes.

        Names of values in a function get the calling node's name in front.

        Raises:
            ModelError: a call does not fit its function, or calls grow without bounds.
        """
        if not self.known:
            return list(nodes)
        found: list[NodeProto] = []
        for node in nodes:
            self._expand(node, found, 0)
        return found

    def _expand(self, node: NodeProto, found: list[NodeProto], depth: int) -> None:
        function = self.known.get(_key(node))
        if function is None:
            found.append(node)
            self._grown(nodes=1, size=node.ByteSize() if depth else 0)
            return
        if depth > DEEPEST:
            raise ModelError(
                f"Functions call each other more than {DEEPEST} deep", file=self.file, function=function.name,
                do="Inline them with onnx.inliner before.",
            )  # fmt: skip
        for what, call, known in (("inputs", node.input, function.input), ("outputs", node.output, function.output)):
            if len(call) > len(known):
                raise ModelError(
                    f"The function '{function.name}' has {len(known)} {what} and is called with {len(call)}",
                    file=self.file, node=called(node), do=_DAMAGED,
                )  # fmt: skip
        if len(set(function.input)) < len(function.input):
            raise ModelError(
                f"Two inputs of the function '{function.name}' have one name", file=self.file, function=function.name,
                do=_DAMAGED,
            )  # fmt: skip
        self._grown(calls=1)
        for inner in _body(function, node, f"{node.name or node.op_type}#{self._calls}/"):
            self._expand(inner, found, depth + 1)

    def _grown(self, nodes: int = 0, calls: int = 0, size: int = 0) -> None:
        self._nodes += nodes if size else 0
        self._calls += calls
        self._bytes += size
        if self._calls > MOST_CALLS or self._nodes > MOST_CALLS or self._bytes > MOST_BYTES:
            raise ModelError(
                f"Its functions unfold to more than {MOST_CALLS} nodes or {MOST_BYTES // 2**20} MiB", file=self.file,
                do="Inline them with onnx.inliner before.",
            )  # fmt: skip

    def _no_circle(self) -> None:
        calls = {key: {_key(node) for node in _all(one.node)} & self.known.keys() for key, one in self.known.items()}
        try:
            TopologicalSorter(calls).prepare()
        except CycleError as error:
            names = list(dict.fromkeys(name for _, name, _ in error.args[1]))
            raise ModelError(
                f"The function '{names[0]}' calls itself" + (f" by way of '{names[1]}'" if names[1:] else ""),
                file=self.file, function=names[0], do=_DAMAGED,
            ) from None  # fmt: skip


def _key(node: NodeProto) -> Key:
    return own(node.domain), node.op_type, getattr(node, "overload", "")


def _all(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those in the graphs in them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _all(attribute.g.node)


def _same_meaning(function: FunctionProto, opsets: Mapping[str, int], file: Path | None) -> None:
    """Refuse a function whose operators would mean something else in the model's opset (onnx.proto, FunctionProto)."""
    for one in function.opset_import:
        domain = own(one.domain)
        version = opsets.get(domain, one.version)
        if version == one.version:
            continue
        for node in _all(function.node):
            if own(node.domain) != domain:
                continue
            there, here = (operator_of(domain, node.op_type, opset) for opset in (one.version, version))
            if there != here:
                raise ModelError(
                    f"The function '{function.name}' is written for opset {one.version}, in which {node.op_type} is "
                    f"another operator than in opset {version} of the model",
                    file=file, function=function.name, do="Inline it with onnx.inliner before.",
                )  # fmt: skip


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
    copy.name = prefix + called(node)
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
