"""What leads from layer to layer: the program with everything else folded into the ways between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Step
from qdebug.results.graph import GraphEdge, NodeKind

MOST_OPS = 8
"""Operators that a way between two nodes is said to lead through."""
MOVING = frozenset((
    "view", "reshape", "_unsafe_view", "transpose", "permute", "t", "contiguous", "clone", "getitem", "split", "chunk",
    "unbind", "slice", "select", "expand", "squeeze", "unsqueeze", "flatten", "to", "_to_copy", "alias", "detach",
    "dropout", "identity", "narrow",
))  # fmt: skip
"""Operators that leave values as they are; people who read a graph look past them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step that is a node of the graph.

    Attributes:
        name: of the layer, input or output; the operator of a join.
        kind: what it is.
        module: where in the model's modules it lies; empty where that is not known.
    """

    name: str
    kind: NodeKind
    module: str


def operator(step: Step) -> str:
    """The operator without its library and overload: ``aten.add.Tensor`` is ``add``."""
    parts = step.op.split(".")
    return parts[1] if len(parts) > 1 else step.op


def ways(program: Program, layers: Sequence[Layer]) -> tuple[list[Place], list[GraphEdge]]:
    """The nodes of a program in the order of its steps, and the edges between them.

    Nodes are inputs, layers, the outputs, and the operators where values of several nodes meet. Takes time in
    proportion to the program, whatever its depth: a sum that meets a node of its own ends all that led to it.
    """
    names = {layer.step: layer.name for layer in layers}
    places: list[Place] = []
    edges: dict[tuple[int, int], tuple[str, ...]] = {}
    origins: dict[int, dict[int, tuple[str, ...]]] = {}  # of each step: nodes and the way from each

    def arrive(place: Place, before: dict[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
        places.append(place)
        for source, ops in before.items():
            edges[source, len(places) - 1] = ops
        return {len(places) - 1: ()}

    for step in program.steps:
        if program.constant[step.index]:
            continue
        if step.kind == "input":
            origins[step.index] = arrive(Place(step.name, "input", ""), {})
            continue
        word = operator(step)
        if word.startswith("sym_size"):  # a number, the same for every sample
            continue
        before = _merged([origins[source] for source in program.sources[step.index] if source in origins])
        if step.index in names:
            origins[step.index] = arrive(Place(names[step.index], "layer", names[step.index]), before)
        elif len(before) > 1:
            origins[step.index] = arrive(Place(word, "join", step.module), before)
        else:
            origins[step.index] = before if word in MOVING else {at: _with(ops, word) for at, ops in before.items()}
    for name, index in (program.outputs or {"": program.output}).items():
        if index in origins:
            arrive(Place(name or "output", "output", ""), origins[index])
    return _needed(places, edges)


def _with(ops: tuple[str, ...], word: str) -> tuple[str, ...]:
    return ops if word in ops or len(ops) >= MOST_OPS else (*ops, word)


def _merged(found: Sequence[dict[int, tuple[str, ...]]]) -> dict[int, tuple[str, ...]]:
    merged: dict[int, tuple[str, ...]] = {}
    for one in found:
        for source, ops in one.items():
            merged[source] = tuple(dict.fromkeys((*merged.get(source, ()), *ops)))[:MOST_OPS]
    return merged


def _needed(places: list[Place], edges: dict[tuple[int, int], tuple[str, ...]]) -> tuple[list[Place], list[GraphEdge]]:
    """Without joins that lead nowhere, and with shortcuts marked."""
    left = {source for source, _ in edges}
    for at in range(len(places) - 1, -1, -1):
        if places[at].kind == "join" and at not in left:
            edges = {pair: ops for pair, ops in edges.items() if pair[1] != at}
            left = {source for source, _ in edges}
    stays = [at for at, place in enumerate(places) if place.kind != "join" or at in left]
    moved = {at: new for new, at in enumerate(stays)}
    sources: list[list[int]] = [[] for _ in stays]
    for source, target in edges:
        sources[moved[target]].append(moved[source])
    above: list[int] = []  # of each node, all that lie before it, a bit each
    for mine in sources:
        bits = 0
        for source in mine:
            bits |= above[source] | 1 << source
        above.append(bits)
        mine.sort()
    found = []
    for (source, target), ops in edges.items():
        here = moved[source]
        skip = any(above[other] >> here & 1 for other in sources[moved[target]] if other > here)
        found.append(GraphEdge(source=here, target=moved[target], ops=ops, skip=skip))
    return [places[at] for at in stays], sorted(found, key=lambda edge: (edge.target, edge.source))
