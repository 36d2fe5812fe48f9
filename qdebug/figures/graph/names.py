"""What nodes and blocks of a graph are called where they are drawn."""

from __future__ import annotations

from functools import lru_cache

from qdebug.figures.graph.visible import chains
from qdebug.results import ModelGraph

JOINS = {"add": "+", "add_": "+", "mul": "×", "sub": "−", "div": "÷", "concat": "concat", "cat": "concat"}


@lru_cache(maxsize=64)
def labels(graph: ModelGraph) -> tuple[str, ...]:
    """Each node's name as it is read inside its block: a layer without its module's path, a join as its sign."""
    heads = [_head(graph, chain) for chain in chains(graph)]
    found: list[str] = []
    for node in graph.nodes:
        head = heads[node.block]
        if node.kind == "join":
            found.append(JOINS.get(node.name, node.name.replace("_", " ")))
        elif node.kind == "layer" and head and node.name.startswith(head):
            found.append(node.name[len(head) :].lstrip("./") or node.name)
        else:
            found.append(node.name)
    return tuple(found)


def _head(graph: ModelGraph, chain: tuple[int, ...]) -> str:
    """The path of the innermost module around; runs have none of their own."""
    return next((name for block in reversed(chain) if " … " not in (name := graph.blocks[block].name)), "")
