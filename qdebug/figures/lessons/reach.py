"""Ranges beside each other, and the one that has to serve them all."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import share, three
from qdebug.figures.text import plain

Range = tuple[float, float]


def reach_finding(ranges: Sequence[Range], whole: Range, noun: str, whose: str) -> str:
    """How much of the common range one of them needs, in words."""
    width = whole[1] - whole[0]
    parts = [(high - low) / width for low, high in ranges] if width > 0 else []
    if not parts:
        return f"The {whose} holds nothing but zero"
    return (
        f"The median {noun} needs {share(median(parts))} of the {whose}; the least is {share(min(parts))}, the most "
        f"{share(max(parts))}"
    )


def range_bars(
    ranges: Sequence[Range], whole: Range, noun: str, whose: str, *, dark: bool, chosen: int | None = None,
    height: int = 220,
) -> go.Figure:  # fmt: skip
    """Each range as a bar, and the ends of the common one as lines.

    Args:
        ranges: low and high.
        whole: the common range.
        noun: what each of them is of, such as ``token``.
        whose: what the common one is, such as ``range of its sample``.
        dark: whether it stands on dark ground.
        chosen: the one that is set off.
        height: pixels.
    """
    figure = template.blank(plain(reach_finding(ranges, whole, noun, whose)), dark=dark, height=height)
    figure.add_bar(
        x=list(range(len(ranges))), base=[low for low, _ in ranges], y=[high - low for low, high in ranges],
        marker={"color": [(colours.ACCENT if one == chosen else colours.PLAIN).on(dark) for one in range(len(ranges))],
                "line": {"width": 0}},
        customdata=[[three(low), three(high)] for low, high in ranges],
        hovertemplate=f"{noun} %{{x}}<br>from %{{customdata[0]}} to %{{customdata[1]}}<extra></extra>",
    )  # fmt: skip
    for end in whole:
        figure.add_hline(y=end, line={"color": colours.CLIPPING.on(dark), "width": 1.5, "dash": "dash"})
    ends = [*whole, *(end for pair in ranges for end in pair)]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    figure.update_layout(
        xaxis={"title": {"text": f"{noun}s, counted from 0"}, "showgrid": False, "nticks": 12},
        yaxis={"title": {"text": "range of values"}, "nticks": 6, "range": [min(ends) - room, max(ends) + room]},
    )  # fmt: skip
    return figure
