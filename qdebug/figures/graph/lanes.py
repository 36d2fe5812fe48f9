"""Which way lines take between the rows of a block: down a gap, or past rows in a lane at the side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qdebug.figures.graph.visible import OUT, Link

STUB = 8.0
"""How far a line goes down before it turns to its lane, in pixels."""
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a block.

    Attributes:
        row: of each key; the block's beginning is in row -1, its end behind the last.
        spans: upper and lower edge of each row, first that of the beginning, last that of the end.
        boxes: of each key its x, y, width, height, and how far from its left lines come in and go out.
        last: the keys that have nobody at their right.
        middle: where lines come in and go out of the block.
    """

    row: Mapping[str, int]
    spans: Sequence[tuple[float, float]]
    boxes: Mapping[str, tuple[float, float, float, float, float]]
    last: set[str]
    middle: float

    def column(self, key: str) -> float:
        """Where lines of a key stand."""
        return self.boxes[key][0] + self.boxes[key][4] if key in self.boxes else self.middle

    def top(self, key: str) -> float:
        """Where lines end at a key."""
        return self.boxes[key][1] if key in self.boxes else self.spans[-1][0]

    def bottom(self, key: str) -> float:
        """Where lines leave a key."""
        return self.boxes[key][1] + self.boxes[key][3] if key in self.boxes else self.spans[0][1]


def is_long(link: Link, rows: Rows) -> bool:
    """Whether rows lie between its ends."""
    return rows.row[link.target] - rows.row[link.source] > 1


def lanes_of(links: Iterable[Link], rows: Rows) -> dict[str, int]:
    """A lane for each source with long links, short ones nearest; two share a lane where they do not meet."""
    ends: dict[str, int] = {}
    for link in links:
        if is_long(link, rows):
            ends[link.source] = max(ends.get(link.source, -1), rows.row[link.target])
    taken: list[list[tuple[int, int]]] = []
    lanes: dict[str, int] = {}
    for source, end in sorted(ends.items(), key=lambda one: (one[1] - rows.row[one[0]], rows.row[one[0]], one[0])):
        start = rows.row[source]
        free = (at for at, lane in enumerate(taken) if all(end <= low or high <= start for low, high in lane))
        lanes[source] = next(free, len(taken))
        if lanes[source] == len(taken):
            taken.append([])
        taken[lanes[source]].append((start, end))
    return lanes


def lines_of(
    links: Iterable[Link], rows: Rows, lanes: Mapping[str, int], first: float, apart: float
) -> list[tuple[Points, Link]]:
    """The corners of every line; the lanes begin at x = ``first`` and lie ``apart``. Long lines have no words."""
    found: list[tuple[Points, Link]] = []
    for link in links:
        start = (rows.column(link.source), rows.bottom(link.source))
        below = rows.spans[rows.row[link.source] + 1][1]
        if is_long(link, rows):
            lane = first + lanes[link.source] * apart
            corners = (start, (start[0], below + STUB), (lane, below + STUB), *_arrival(link.target, lane, rows))
            found.append((corners, Link(link.source, link.target)))
        else:
            end = (rows.column(link.target), rows.top(link.target))
            turn = (below + rows.spans[rows.row[link.target] + 1][0]) / 2
            straight = abs(start[0] - end[0]) < 0.5
            corners = (start, end) if straight else (start, (start[0], turn), (end[0], turn), end)
            found.append((corners, link))
    return found


def _arrival(target: str, lane: float, rows: Rows) -> Points:
    """From a lane to its end: into a node from its right where nobody stands there, else from above."""
    if target != OUT and target in rows.last:
        x, y, width, height, _ = rows.boxes[target]
        if height < STUB * 6:
            return ((lane, y + height / 2), (x + width, y + height / 2))
    end = (rows.column(target), rows.top(target))
    above = rows.spans[rows.row[target] + 1][0] - STUB
    return ((lane, above), (end[0], above), end)
