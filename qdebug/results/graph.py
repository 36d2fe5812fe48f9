"""A model as blocks and layers, and what leads from one to the next."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

NodeKind = Literal["input", "layer", "join", "output"]


class GraphNode(Result, frozen=True, kw_only=True):
    """A place in the graph that values come from or meet at.

    Attributes:
        name: a layer's name, an input's, an output's; of a join the operator that joins (``add``, ``concat``).
        kind: ``input``, ``layer``, ``join`` (an operator that reads values of several nodes) or ``output``.
        block: which of the blocks it lies in, without one in between.
    """

    name: str
    kind: NodeKind
    block: int


class GraphBlock(Result, frozen=True, kw_only=True):
    """Nodes that follow one another in the graph and belong together: a module of the network, or a run of many.

    Attributes:
        name: the module's path, or the first and last name of a run that was made because there are many.
        label: what it is called inside the block around it.
        parent: which block it lies in; -1 for the first, which holds everything.
        first, stop: its nodes are those from ``first`` up to, not including, ``stop``.
    """

    name: str
    label: str
    parent: int
    first: int
    stop: int


class GraphEdge(Result, frozen=True, kw_only=True):
    """A way from a node to a later one.

    Attributes:
        source, target: nodes; the source stands first.
        ops: operators in between, each once, in their order; those that only move values are left out.
        skip: whether it is a shortcut: another way from source to target leads through further nodes.
    """

    source: int
    target: int
    ops: tuple[str, ...] = ()
    skip: bool = False


class ModelGraph(Result, frozen=True, kw_only=True):
    """The graph of a model as people think of it: its blocks, not its raw operators.

    Attributes:
        nodes: in an order in which the model can be computed: every edge leads forward.
        blocks: the first holds all; the others are nested in it. Each stands behind the one it lies in.
        edges: between nodes, each pair once.
    """

    nodes: tuple[GraphNode, ...]
    blocks: tuple[GraphBlock, ...]
    edges: tuple[GraphEdge, ...]
