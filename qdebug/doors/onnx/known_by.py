"""The names that people and other graphs know the values of a float graph by, which was made of a quantized one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from qdebug.doors.onnx.ir import Node, bodies, reads


def read_inside(nodes: Iterable[Node]) -> set[str]:
    """Names of values that the graphs inside nodes read from around them."""
    return {name for node in nodes for body in bodies(node) for name in body.captured}


def called_again(
    nodes: Sequence[Node], outputs: Collection[str], real: Mapping[str, str]
) -> tuple[list[Node], dict[str, str]]:
    """The nodes with every name that somebody outside them counts on.

    An output that was read from codes is the value itself again, which gets back its name where nobody else knows it
    by its own; otherwise a copy of that name is made, as it is for what graphs inside nodes read.

    Args:
        nodes: in an order that can be executed; what only wrote a name that stands for another value is gone.
        outputs: names of the graph's outputs.
        real: the name of the value that a name stands for now.

    Returns:
        the nodes, and the values that go by another name now.
    """
    written = {name for node in nodes for name in node.outputs}
    inside = read_inside(nodes)
    moved: dict[str, str] = {}
    copies: list[str] = []
    for name in dict.fromkeys(one for one in outputs if real.get(one, one) != one):
        source = real[name]
        if source in written and name not in written and source not in {*outputs, *inside, *moved}:
            moved[source] = name
        else:
            copies.append(name)
    waiting = {one for one in inside if real.get(one, one) != one and one not in written} - {*outputs}
    found: list[Node] = []
    for node in nodes:
        for name in sorted(waiting & set(reads(node))):
            found.append(_copy(name, moved.get(real[name], real[name])))
            waiting.remove(name)
        found.append(_renamed(node, moved))
    found += [_copy(name, moved.get(real[name], real[name])) for name in copies]
    return found, moved


def _copy(name: str, of: str) -> Node:
    return Node(name, "Identity", "", (of,), (name,), {})


def _renamed(node: Node, moved: Mapping[str, str]) -> Node:
    if moved.keys().isdisjoint((*node.inputs, *node.outputs)):
        return node
    inputs, outputs = (tuple(moved.get(one, one) for one in names) for names in (node.inputs, node.outputs))
    return msgspec.structs.replace(node, inputs=inputs, outputs=outputs)
