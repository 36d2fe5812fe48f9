"""The code points of a format on a line."""

from __future__ import annotations

import itertools

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import times


def points_finding(points: tuple[float, ...]) -> str:
    """How the code points lie, in words."""
    gaps = [high - low for low, high in itertools.pairwise(sorted(set(points)))]
    if len(gaps) < 2:
        return f"{len(points)} code points"
    if max(gaps) <= 1.001 * min(gaps):
        return f"{len(points)} code points in units of the scale, all steps alike"
    ratio = times(max(gaps) / min(gaps))
    return f"{len(points)} code points in units of the scale; the widest step is {ratio} the narrowest"


def code_points(points: tuple[float, ...], name: str, *, dark: bool, height: int = 76) -> go.Figure:
    """A tick at every finite number that a code stands for, in units of the scale."""
    figure = template.blank(points_finding(points), dark=dark, height=height)
    figure.add_scatter(
        x=[value for point in points for value in (point, point, None)], y=[0, 1, None] * len(points), mode="lines",
        line={"color": colours.of_format(name, dark), "width": 1 if len(points) > 64 else 2}, hoverinfo="x",
    )  # fmt: skip
    reach = max((abs(point) for point in points), default=1.0) * 1.03
    figure.update_layout(
        margin={"b": 22},
        xaxis={"showgrid": False, "range": [-reach, reach], "nticks": 7},
        yaxis={"visible": False, "range": [-0.05, 1.05], "fixedrange": True},
    )
    return figure
