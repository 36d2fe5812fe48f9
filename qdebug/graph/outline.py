"""A program as people think of it: blocks of layers, and the ways between them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program
from qdebug.graph.ways import Place, ways
from qdebug.results.graph import GraphBlock, GraphNode, ModelGraph

MOST_CHILDREN = 16
"""What a block shows when it is opened; of more, runs are made that can be opened in turn."""

BETWEEN = " … "
"""Stands between the first and the last of a run."""
_PART = re.compile(r"[^./]+")


@dataclass(slots=True)
class _Block:
    name: str
    label: str
    children: list[_Block | int] = field(default_factory=list)


def outline(program: Program, layers: Sequence[Layer]) -> ModelGraph:
    """The graph of a model's blocks and layers.

    Blocks are the modules that layers' names tell of, as far as they are one run in the order of the graph: so blocks
    seen from afar lead forward too. A module that is called in turns is several blocks. Where a block would hold more
    than ``MOST_CHILDREN``, they are put into runs of about the same size.
    """
    places, edges = ways(program, layers)
    paths = _paths(places)
    inner = [at for at, place in enumerate(places) if place.kind in ("layer", "join")]
    root = _Block("", "", _children(inner, paths, 0, places))
    parents = [0] * len(places)
    blocks: list[GraphBlock] = []
    _flatten(root, -1, blocks, parents, len(places))
    nodes = tuple(GraphNode(name=one.name, kind=one.kind, block=parents[at]) for at, one in enumerate(places))
    return ModelGraph(nodes=nodes, blocks=tuple(blocks), edges=tuple(edges))


def parts(name: str) -> tuple[str, ...]:
    """A name's parts between dots and slashes.

    >>> parts("/blocks/blocks.0/conv")
    ('blocks', 'blocks', '0', 'conv')
    """
    return tuple(found.group() for found in _PART.finditer(name))


def cut(name: str, first: int, stop: int | None = None) -> str:
    """A name from one of its parts up to, not including, another, as it is written; from its beginning for 0.

    >>> cut("/blocks.0/conv", 0, 2), cut("/blocks.0/conv", 2)
    ('/blocks.0', 'conv')
    """
    found = list(_PART.finditer(name))
    start = found[first].start() if first else 0
    return name[start:] if stop is None else name[start : found[stop - 1].end()]


def _paths(places: Sequence[Place]) -> list[tuple[str, ...]]:
    """Where each node lies in the modules; a join whose module is not known lies where the node before it does."""
    scopes: set[tuple[str, ...]] = {()}
    for place in places:
        if place.kind == "layer":
            path = parts(place.name)
            scopes.update(path[:length] for length in range(1, len(path)))
    own = [_scope(parts(place.module), scopes) for place in places]
    told = any(scope for scope, place in zip(own, places, strict=True) if place.kind == "join")
    paths: list[tuple[str, ...]] = []
    for place, scope in zip(places, own, strict=True):
        if place.kind == "layer":
            paths.append(parts(place.name))
        else:
            around = scope if told or not paths else paths[-1][:-1]
            paths.append((*around, "\0"))  # no name of a module
    return paths


def _scope(path: tuple[str, ...], scopes: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The innermost module with layers around a path."""
    return next(path[:length] for length in range(len(path), -1, -1) if path[:length] in scopes)


def _children(
    nodes: list[int], paths: list[tuple[str, ...]], depth: int, places: Sequence[Place]
) -> list[_Block | int]:
    """Neighbours with the same part at this depth of their names become a block, if there are several."""
    found: list[_Block | int] = []
    for _, group in groupby(nodes, key=lambda at: (paths[at][depth], at if len(paths[at]) == depth + 1 else -1)):
        run = list(group)
        if len(run) == 1:
            found.extend(run)
            continue
        deeper = depth + 1
        while len({paths[at][deeper] for at in run}) == 1 and all(len(paths[at]) > deeper + 1 for at in run):
            deeper += 1
        inside = _children(run, paths, deeper, places)
        path, one = paths[run[0]], _named(run, places)
        if one is None:  # nothing but sums
            name, label = ".".join(path[:deeper]), ".".join(path[depth:deeper])
        else:
            name = cut(one, 0, deeper)
            label = cut(one, depth - 1 if depth and path[depth].isdigit() else depth, deeper).lstrip("./")
        found.append(_Block(name, label, inside))
    return _in_runs(found, depth, places)


def _named(run: Sequence[int], places: Sequence[Place]) -> str | None:
    """The name of the first layer of a run."""
    return next((places[at].name for at in run if places[at].kind == "layer"), None)


def _in_runs(children: list[_Block | int], depth: int, places: Sequence[Place]) -> list[_Block | int]:
    """At most ``MOST_CHILDREN``, as even a tree as there can be."""
    if len(children) <= MOST_CHILDREN:
        return children
    levels = math.ceil(math.log(len(children)) / math.log(MOST_CHILDREN) - 1e-9)
    size = math.ceil(len(children) ** (1 / levels) - 1e-9)
    while len(children) > MOST_CHILDREN:
        children = [_run(children[at : at + size], depth, places) for at in range(0, len(children), size)]
    return children


def _run(children: list[_Block | int], depth: int, places: Sequence[Place]) -> _Block | int:
    """Children that follow one another, as one block called after its first and its last."""
    if len(children) == 1:
        return children[0]
    named = [one for one in children if isinstance(one, _Block) or places[one].kind == "layer"] or children
    names, labels = zip(*(_called(one, depth, places) for one in (named[0], named[-1])), strict=True)
    return _Block(_from_to(names), _from_to(labels), children)


def _called(child: _Block | int, depth: int, places: Sequence[Place]) -> tuple[str, str]:
    """The name and the label of a child of a run."""
    if isinstance(child, _Block):
        return child.name, child.label
    place = places[child]
    return place.name, cut(place.name, depth) if place.kind == "layer" else place.name


def _from_to(names: tuple[str, str]) -> str:
    first, last = names[0].split(BETWEEN)[0], names[1].split(BETWEEN)[-1]
    return first if first == last else f"{first}{BETWEEN}{last}"


def _flatten(block: _Block, parent: int, blocks: list[GraphBlock], parents: list[int], count: int) -> tuple[int, int]:
    """List a block and all in it; returns its first node and the one behind its last."""
    here = len(blocks)
    blocks.append(GraphBlock(name=block.name, label=block.label, parent=parent, first=0, stop=count))
    ends: list[int] = []
    for child in block.children:
        if isinstance(child, int):
            parents[child] = here
            ends += [child, child + 1]
        else:
            ends += _flatten(child, here, blocks, parents, count)
    if parent >= 0:
        blocks[here] = GraphBlock(name=block.name, label=block.label, parent=parent, first=min(ends), stop=max(ends))
    return (min(ends), max(ends)) if ends else (0, count)
