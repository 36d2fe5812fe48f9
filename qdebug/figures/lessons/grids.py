"""What an affine grid gains over a symmetric one, for inputs and for weights."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel
from qdebug.figures.text import plain, shorten

Row = tuple[str, float, float]
"""A layer, and the decibels that its input and its weights gain."""


def gains_finding(rows: Sequence[Row]) -> str:
    """How much is gained at most, in words."""
    most = max((row[1] for row in rows), default=0.0)
    held = max((row[2] for row in rows), default=0.0)
    return f"A zero point gains up to {decibel(most)}{NBSP}dB for inputs, up to {decibel(held)}{NBSP}dB for weights"


def grid_gains(rows: Sequence[Row], *, dark: bool) -> go.Figure:
    """Two marks a layer on one axis: what its input gains and what its weights gain.

    Args:
        rows: the layers.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(gains_finding(rows)), dark=dark, height=80 + 30 * len(rows))
    names = [row[0] for row in rows]
    kinds = (
        ("input", [row[1] for row in rows], "circle", colours.ACCENT),
        ("weights", [row[2] for row in rows], "diamond-open", colours.MUTED),
    )
    for name, gains, symbol, tone in kinds:
        figure.add_scatter(
            x=gains, y=names, mode="markers", name=name,
            marker={"symbol": symbol, "size": 10, "color": tone.on(dark), "line": {"width": 2}},
            customdata=[[plain(layer), decibel(gain)] for layer, gain in zip(names, gains, strict=True)],
            hovertemplate=f"<b>%{{customdata[0]}}</b>, {name}<br>%{{customdata[1]}} dB more on an affine grid"
                          "<extra></extra>",
        )  # fmt: skip
    reach = max((gain for row in rows for gain in row[1:]), default=1.0)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "font": {"size": 11},
                "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": "gain of the affine grid, dB"}, "range": [-0.06 * reach, 1.08 * reach], "nticks": 8},
        yaxis={"type": "category", "autorange": "reversed", "tickmode": "array", "tickvals": names,
               "ticktext": [plain(shorten(name, 24)) for name in names],
               "tickfont": {"family": template.MONO, "size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure
