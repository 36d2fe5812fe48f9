"""What of a model's graph is in sight when some of its blocks are open."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from qdebug.results import ModelGraph

IN, OUT = "in", "out"
"""Where ways enter an open block and where they leave it."""
FIRST_MOST = 40
"""Nodes that a graph is first shown with, as far as its blocks allow."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way between two children of an open block, or between one and the block's own ends.

    Attributes:
        source: a child's key, or ``IN``.
        target: a child's key, or ``OUT``.
        ops: operators on it; none where several ways are drawn as one.
    """

    source: str
    target: str
    ops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inside:
    """An open block: its children by their keys, in the order of the graph, and the links between them.

    The key of a node is ``n`` and its place among the graph's nodes; that of a block is ``b`` and its place.
    """

    children: tuple[str, ...]
    links: tuple[Link, ...]


@lru_cache(maxsize=64)
def children(graph: ModelGraph) -> tuple[tuple[str, ...], ...]:
    """The keys of what lies in each block, in the order of the graph."""
    found: list[list[tuple[int, str]]] = [[] for _ in graph.blocks]
    for at, block in enumerate(graph.blocks):
        if block.parent >= 0:
            found[block.parent].append((block.first, f"b{at}"))
    for at, node in enumerate(graph.nodes):
        found[node.block].append((at, f"n{at}"))
    return tuple(tuple(key for _, key in sorted(one)) for one in found)


@lru_cache(maxsize=64)
def chains(graph: ModelGraph) -> tuple[tuple[int, ...], ...]:
    """For each block, the blocks around it and itself, outermost first."""
    found: list[tuple[int, ...]] = []
    for at, block in enumerate(graph.blocks):
        found.append((*(found[block.parent] if block.parent >= 0 else ()), at))
    return tuple(found)


def visible(graph: ModelGraph, opened: Collection[int]) -> dict[int, Inside]:
    """The open blocks in sight with what lies in them; the first block is always open.

    A way that leads out of an open block is drawn in pieces: to the block's end, from block to block, and from the
    other's beginning on. So an open block looks from outside as it does when it is closed.
    """
    above, inside = chains(graph), children(graph)
    shown = {at for at, chain in enumerate(above) if all(one in opened for one in chain[1:])}
    links: dict[int, dict[tuple[str, str], tuple[str, ...]]] = {at: {} for at in sorted(shown)}
    for edge in graph.edges:
        sources = _steps(graph, above, edge.source, shown)
        targets = _steps(graph, above, edge.target, shown)
        level = 0
        while level + 1 < min(len(sources), len(targets)) and sources[level] == targets[level]:
            level += 1
        if sources[level] == targets[level]:
            continue  # both in one closed block
        last = len(targets) - 1  # operators are named once, where the way ends
        _add(links, sources[level][0], sources[level][1], targets[level][1], edge.ops if level == last else ())
        for block, key in sources[level + 1 :]:
            _add(links, block, key, OUT, ())
        for at, (block, key) in enumerate(targets[level + 1 :], level + 1):
            _add(links, block, IN, key, edge.ops if at == last else ())
    return {
        at: Inside(inside[at], tuple(Link(*pair, ops) for pair, ops in found.items())) for at, found in links.items()
    }


def _steps(
    graph: ModelGraph, above: Sequence[tuple[int, ...]], node: int, shown: Collection[int]
) -> list[tuple[int, str]]:
    """From the outermost block inwards as far as it is open: the block, and which of its children holds the node."""
    chain = above[graph.nodes[node].block]
    found: list[tuple[int, str]] = []
    for level, block in enumerate(chain):
        if block not in shown:
            break
        found.append((block, f"b{chain[level + 1]}" if level + 1 < len(chain) else f"n{node}"))
    return found


def _add(
    links: dict[int, dict[tuple[str, str], tuple[str, ...]]], block: int, source: str, target: str, ops: tuple[str, ...]
) -> None:
    mine = links[block]
    mine[source, target] = ops if mine.get((source, target), ops) == ops else ()


def path_to(graph: ModelGraph, name: str) -> frozenset[int]:
    """The blocks that must be open for a layer to be in sight; none for a name that is not the graph's."""
    for node in graph.nodes:
        if node.kind == "layer" and node.name == name:
            return frozenset(chains(graph)[node.block][1:])
    return frozenset()


def first_open(graph: ModelGraph, chosen: str | None = None, most: int = FIRST_MOST) -> frozenset[int]:
    """Which blocks are open at first: those around the chosen layer, then from outside in while there is room.

    Args:
        graph: the graph.
        chosen: a layer's name.
        most: nodes and closed blocks in sight; more only where the way to the chosen layer takes them.
    """
    inside = children(graph)
    opened = set(path_to(graph, chosen) if chosen else ())
    count = len(inside[0]) + sum(len(inside[one]) - 1 for one in opened)
    waiting = deque([0])
    while waiting:
        for key in inside[waiting.popleft()]:
            block = int(key[1:])
            if key[0] == "n":
                continue
            if block not in opened and count + len(inside[block]) - 1 > most:
                continue
            count += 0 if block in opened else len(inside[block]) - 1
            opened.add(block)
            waiting.append(block)
    return frozenset(opened)
