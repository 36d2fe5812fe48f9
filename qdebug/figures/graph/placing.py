"""Where nodes and open blocks of a graph are drawn: rows from top to bottom, every way leading down.

The layering is by longest paths; within a row, nodes stand in the order of the mean place of those they read from
(the barycentre heuristic of Sugiyama, Tagawa and Toda 1981, one sweep). Each open block is laid out by itself and is a
node of its parent, so that the time is in proportion to what is in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qdebug.figures.graph.lanes import Rows, lanes_of, lines_of
from qdebug.figures.graph.visible import IN, OUT, Inside, Link

GAP, SPACE = 30.0, 20.0
"""Between rows, and between neighbours in a row, in pixels."""
PAD, HEAD, LANE = 13.0, 27.0, 9.0
"""Inside an open block: its margin, the line with its name, the distance between ways that lead past nodes."""
NARROWEST = 150.0
"""An open block leaves room for its name."""
ABREAST = 4
"""Nodes in a row; of more, further rows are made."""

Size = Callable[[str], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node, a closed block or an open one stands; ``depth`` counts the open blocks around it."""

    key: str
    x: float
    y: float
    width: float
    height: float
    depth: int
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A way as straight pieces, and what it leads through. ``is_open`` where it ends at a block's own end."""

    points: tuple[tuple[float, float], ...]
    ops: tuple[str, ...] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn, in pixels from the upper left corner; open blocks stand before what lies in them."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


@dataclass(slots=True)
class _Placed:
    """An open block by itself: its size, the column its ways come in at, its children's corners, its own lines."""

    width: float = 0.0
    height: float = 0.0
    anchor: float = 0.0
    corners: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: list[tuple[tuple[tuple[float, float], ...], Link]] = field(default_factory=list)


def place(inside: Mapping[int, Inside], size: Size) -> Picture:
    """Lay out what is in sight.

    Args:
        inside: the open blocks, as :func:`qdebug.figures.graph.visible.visible` finds them.
        size: width and height of a node or closed block, by its key.
    """
    placed: dict[int, _Placed] = {}
    for block in sorted(inside, reverse=True):  # a block stands behind the one it lies in
        placed[block] = _block(inside[block], block, placed, size)
    boxes: list[Box] = []
    lines: list[Line] = []
    waiting = [(0, 0.0, 0.0, 0)]
    while waiting:
        block, left, top, depth = waiting.pop()
        one = placed[block]
        lines += [
            Line(tuple((left + x, top + y) for x, y in points), link.ops, link.target == OUT)
            for points, link in one.lines
        ]
        for key, (x, y) in one.corners.items():
            child = placed.get(int(key[1:])) if key[0] == "b" else None
            width, height = (child.width, child.height) if child else size(key)
            boxes.append(Box(key, left + x, top + y, width, height, depth, child is not None))
            if child:
                waiting.append((int(key[1:]), left + x, top + y, depth + 1))
    return Picture(tuple(boxes), tuple(lines), placed[0].width, placed[0].height)


def _block(one: Inside, block: int, placed: Mapping[int, _Placed], size: Size) -> _Placed:
    sizes = {
        key: (placed[int(key[1:])].width, placed[int(key[1:])].height)
        if key[0] == "b" and int(key[1:]) in placed
        else size(key)
        for key in one.children
    }
    anchors = {
        key: placed[int(key[1:])].anchor if key[0] == "b" and int(key[1:]) in placed else sizes[key][0] / 2
        for key in one.children
    }
    rows = _rows(one)
    is_root = block == 0
    top, pad = (0.0 if is_root else HEAD), (4.0 if is_root else PAD)
    middles = [anchors[row[0]] if len(row) == 1 else _width(row, sizes) / 2 for row in rows]
    middle = pad + max(middles, default=0.0)
    right = middle + max((_width(row, sizes) - at for row, at in zip(rows, middles, strict=True)), default=0.0)
    found = _Placed(anchor=middle)
    spans: list[tuple[float, float]] = []
    y = top + (4.0 if is_root else 16.0)
    for row, at in zip(rows, middles, strict=True):
        x = middle - at
        for key in row:
            found.corners[key] = (x, y)
            x += sizes[key][0] + SPACE
        spans.append((y, y + max(sizes[key][1] for key in row)))
        y = spans[-1][1] + GAP
    bottom = (spans[-1][1] if spans else top) + (4.0 if is_root else 16.0)
    geometry = Rows(
        {key: index for index, row in enumerate(rows) for key in row} | {IN: -1, OUT: len(rows)},
        [(top, top), *spans, (bottom, bottom)],
        {key: (x, y, *sizes[key], anchors[key]) for key, (x, y) in found.corners.items()},
        {row[-1] for row in rows},
        middle,
    )
    lanes = lanes_of(one.links, geometry)
    found.lines = lines_of(one.links, geometry, lanes, right + LANE, LANE)
    found.width = right + (LANE * (max(lanes.values()) + 1) + 4.0 if lanes else 0.0) + pad
    if not is_root:
        found.width = max(found.width, NARROWEST)
    found.height = bottom
    return found


def _width(row: list[str], sizes: Mapping[str, tuple[float, float]]) -> float:
    return sum(sizes[key][0] for key in row) + SPACE * (len(row) - 1)


def _rows(one: Inside) -> list[list[str]]:
    """Children by the length of the longest way to them, each row ordered by where its sources stand."""
    order = {key: at for at, key in enumerate(one.children)}
    before: dict[str, list[str]] = {key: [] for key in one.children}
    for link in one.links:
        if link.source != IN and link.target != OUT:
            before[link.target].append(link.source)
    ranks: dict[str, int] = {}
    for key in one.children:  # in the order of the graph: sources come first
        ranks[key] = max((ranks[source] + 1 for source in before[key]), default=0)
    rows: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for key in one.children:
        rows[ranks[key]].append(key)
    stands: dict[str, float] = {}
    found: list[list[str]] = []
    for row in rows:
        weights = {
            key: sum(stands[source] for source in before[key]) / len(before[key]) if before[key] else 0.5 for key in row
        }
        row.sort(key=lambda key: (weights[key], order[key]))
        stands |= {key: (at + 0.5) / len(row) for at, key in enumerate(row)}
        found += [row[at : at + ABREAST] for at in range(0, len(row), ABREAST)]
    return found
