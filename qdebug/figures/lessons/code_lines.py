"""Where formats put their codes, one line for each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import percent, three
from qdebug.figures.text import plain
from qdebug.formats import find

NEAR = 0.25
"""What counts as near 0, as a part of the largest number."""


def positions(name: str) -> tuple[float, ...]:
    """The numbers that a format's codes stand for, in units of the largest, in rising order."""
    levels = sorted(set(find(name).levels))
    return tuple(level / levels[-1] for level in levels)


def near_zero(name: str) -> float:
    """The part of a format's numbers that lie nearer to 0 than a quarter of the largest."""
    found = positions(name)
    return sum(abs(position) < NEAR for position in found) / len(found)


def grids_finding(names: Sequence[str]) -> str:
    """Which format spends most of its codes near 0, in words."""
    densest = max(names, key=near_zero)
    title = find(densest).title
    return f"{title} has {percent(near_zero(densest))} of its numbers within a quarter of the largest"


def grid_lines(names: Sequence[str], *, dark: bool) -> go.Figure:
    """A tick for each number that a format has, one row for each format, all scaled to the same largest number."""
    figure = template.blank(plain(grids_finding(names)), dark=dark, height=60 + 44 * len(names))
    titles = [find(name).title for name in names]
    for name, title in zip(names, titles, strict=True):
        found = positions(name)
        figure.add_scatter(
            x=found, y=[title] * len(found), mode="markers",
            marker={"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": colours.of_format(name, dark)}},
            customdata=[[plain(title), three(position)] for position in found],
            hovertemplate="%{customdata[0]}: %{customdata[1]} of the largest number<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": {"text": "number that a code stands for, in units of the largest"}, "range": [-1.2, 1.06],
               "nticks": 9},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False,
               "tickfont": {"size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure
