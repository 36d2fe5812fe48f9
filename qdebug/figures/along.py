"""How the error grows along the depth, and where it bursts."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel
from qdebug.figures.text import plain, shorten
from qdebug.results import ErrorCourse

MOST_MARKS = 60
"""Layers up to which each has a mark; of more, the line alone is drawn, and hovered over."""


def course_finding(found: ErrorCourse) -> str:
    """Where the error bursts, or what is left at the end."""
    burst, last = found.burst, found.rows[-1]
    left = f"{decibel(last.all_db)}{NBSP}dB are left at the end" if last.all_db is not None else "no error at the end"
    if burst is None:
        return f"The error grows little by little: {left}"
    row, fall = burst
    return f"The error bursts at {shorten(row.name)}, by {decibel(fall)}{NBSP}dB; {left}"


def along_depth(found: ErrorCourse, weights: dict[str, str], chosen: str, *, dark: bool) -> go.Figure:
    """Each layer's output SQNR, it alone quantized and with all before it quantized, in graph order.

    Args:
        found: the layers.
        weights: each layer's weight format, which gives its mark the colour.
        chosen: the chosen layer's name; a rule stands there.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(course_finding(found)), dark=dark, height=260)
    places = list(range(1, len(found.rows) + 1))
    few = len(places) <= MOST_MARKS
    said = [[row.name, plain(row.name), decibel(row.alone_db), decibel(row.all_db)] for row in found.rows]
    hover = (
        "<b>%{customdata[1]}</b><br>%{customdata[2]} dB alone<br>%{customdata[3]} dB with all before it quantized"
        "<extra></extra>"
    )
    figure.add_scatter(
        name="this layer alone quantized", x=places, y=[row.alone_db for row in found.rows],
        mode="markers" if few else "lines", customdata=said, hovertemplate=hover,
        marker={"size": 7, "symbol": "circle-open", "color": colours.MUTED.on(dark), "line": {"width": 1.4}},
        line={"width": 1, "color": colours.MUTED.on(dark)},
    )  # fmt: skip
    tones = [colours.of_format(weights.get(row.name, "fp32"), dark) for row in found.rows]
    figure.add_scatter(
        name="all before it quantized too", x=places, y=[row.all_db for row in found.rows], customdata=said,
        mode="lines+markers" if few else "lines", hovertemplate=hover, marker={"size": 8, "color": tones},
        line={"width": 1.6, "color": colours.INK.on(dark)},
    )  # fmt: skip
    names = [row.name for row in found.rows]
    if chosen in names:
        figure.add_vline(x=names.index(chosen) + 1, line={"width": 1, "color": colours.ACCENT.on(dark), "dash": "dot"})
    if found.burst is not None and found.burst[0].all_db is not None:
        row, fall = found.burst
        at = names.index(row.name) + 1
        template.mark(
            figure, at, found.burst[0].all_db, f"−{decibel(fall)} dB", dark=dark, yshift=-14,
            xanchor="right" if at > 0.6 * len(names) else "left",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True, hovermode="closest",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "layer, counted from the input"}, "tickformat": ",d", "nticks": 8, "showgrid": False},
        yaxis={"title": {"text": "SQNR of the output, dB"}, "nticks": 6},
    )  # fmt: skip
    return figure
