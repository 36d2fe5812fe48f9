"""Nodes in an order that can be executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto

from qdebug.doors.onnx.ir import captured
from qdebug.errors import ModelError


def ordered(nodes: Sequence[NodeProto], given: Collection[str], file: Path | None) -> list[NodeProto]:
    """The nodes such that each stands behind what it reads; as they are where they already do.

    The specification asks files for that order; some tools write another.

    Args:
        nodes: all nodes of a graph.
        given: the values that are there before the first node.
        file: for messages.

    Raises:
        ModelError: a value is written twice or never, or nodes wait for each other.
    """
    writer: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for name in node.output:
            if name and (name in writer or name in given):
                raise ModelError(
                    f"The value '{name}' is written twice", file=file, node=called(node),
                    do="The file is damaged: write it again.",
                )  # fmt: skip
            if name:
                writer[name] = place
    needs = [[name for name in wanted(node) if name not in given] for node in nodes]
    for node, names in zip(nodes, needs, strict=True):
        missing = next((name for name in names if name not in writer), None)
        if missing is not None:
            raise ModelError(
                f"It reads '{missing}', which nothing writes", file=file, node=called(node), operator=node.op_type,
                do="The file is damaged: write it again.",
            )  # fmt: skip
    return [nodes[place] for place in _sorted(nodes, [[writer[name] for name in names] for names in needs], file)]


def _sorted(nodes: Sequence[NodeProto], needs: Sequence[Sequence[int]], file: Path | None) -> list[int]:
    """Depth first, in the order of the file, without recursion: a chain may be long."""
    state = [0] * len(nodes)
    found: list[int] = []
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            at = stack[-1]
            if state[at] == 0:
                state[at] = 1
                stack.extend(before for before in needs[at] if state[before] == 0)
                loop = next((before for before in needs[at] if state[before] == 1), None)
                if loop is not None:
                    raise ModelError(
                        f"Its nodes go in a circle: '{called(nodes[at])}' waits for '{called(nodes[loop])}' and the "
                        "other way round",
                        file=file, do="The file is damaged: write it again.",
                    )  # fmt: skip
            else:
                stack.pop()
                if state[at] == 1:
                    state[at] = 2
                    found.append(at)
    return found


def texts(node: NodeProto) -> Iterator[str]:
    """All names in a node but those in its graphs."""
    yield from (node.name, node.op_type, node.domain, getattr(node, "overload", ""), *node.input, *node.output)
    for attribute in node.attribute:
        yield attribute.name
        yield attribute.ref_attr_name


def wanted(node: NodeProto) -> Iterator[str]:
    """Names of the values that a node needs: its inputs, and what the graphs in it take from around them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from _captured(attribute.g)


def _captured(graph: GraphProto) -> Iterator[str]:
    own = [one.name for one in (*graph.input, *graph.initializer)]
    own += [one.values.name for one in graph.sparse_initializer]
    nodes = [(tuple(wanted(node)), node.output) for node in graph.node]
    return captured(own, nodes, [one.name for one in graph.output])


def number_nodes(proto: ModelProto) -> tuple[str, ...]:
    """Put a number behind a node's name where a node before it has that name: tools know nodes by their names.

    Onnx.proto does not ask for names that are unique, ONNX Runtime does. Calls of the model's own functions are left
    alone: the nodes that they unfold to get names of their own. Doing it again changes nothing.

    Returns:
        the new names, in the order of the nodes.
    """
    functions = {(one.domain, one.name) for one in proto.functions}
    nodes = [node for node in proto.graph.node if (node.domain, node.op_type) not in functions]
    taken = {node.name for node in nodes}
    seen: Counter[str] = Counter()
    found: list[str] = []
    for node in nodes:
        name = node.name
        seen[name] += 1
        if not name or seen[name] == 1:
            continue
        while node.name in taken:
            node.name = f"{name}#{seen[name]}"
            seen[name] += node.name in taken
        taken.add(node.name)
        found.append(node.name)
    return tuple(found)


def called(node: NodeProto) -> str:
    """A node's name; where it has none, that of the first value it writes."""
    return node.name or next((name for name in node.output if name), node.op_type)
