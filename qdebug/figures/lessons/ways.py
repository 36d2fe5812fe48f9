"""Several ways to quantize the same inputs, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel
from qdebug.figures.text import plain, plural, shorten

_MARKS = (("circle-open", colours.MUTED), ("diamond", colours.ROUNDING), ("circle", colours.ACCENT))
SAME_DB = 0.5
"""Decibels within which nothing is gained worth a word."""


def ways_finding(levels: Mapping[str, Sequence[float]]) -> str:
    """How many layers gain from the last way over the first, and how much at most, in words."""
    ways = list(levels)
    gains = [last - first for first, last in zip(levels[ways[0]], levels[ways[-1]], strict=True)]
    better = sum(gain > SAME_DB for gain in gains)
    return (
        f"{better} of {plural(len(gains), 'input')} gain from ranges {ways[-1]}, up to {decibel(max(gains))}{NBSP}dB; "
        f"{len(gains) - better} do not"
    )


def way_marks(names: Sequence[str], levels: Mapping[str, Sequence[float]], *, dark: bool) -> go.Figure:
    """A mark for each way on a line for each layer.

    Args:
        names: the layers.
        levels: by way, at most three, the SQNR of each layer's input in dB.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(ways_finding(levels)), dark=dark, height=80 + 24 * len(names))
    for (way, values), (symbol, tone) in zip(levels.items(), _MARKS, strict=False):
        figure.add_scatter(
            x=list(values), y=list(names), mode="markers", name=way,
            marker={"symbol": symbol, "size": 9, "color": tone.on(dark), "line": {"width": 2 * ("open" in symbol)}},
            customdata=[[plain(name), decibel(value)] for name, value in zip(names, values, strict=True)],
            hovertemplate=f"<b>%{{customdata[0]}}</b>, {way}<br>%{{customdata[1]}} dB<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "font": {"size": 11},
                "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": "SQNR of the input, dB"}, "nticks": 8},
        yaxis={"type": "category", "autorange": "reversed", "tickmode": "array", "tickvals": list(names),
               "ticktext": [plain(shorten(name, 24)) for name in names],
               "tickfont": {"family": template.MONO, "size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure
