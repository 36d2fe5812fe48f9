"""Clipping and rounding error against the clip limit."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel, share, three
from qdebug.figures.text import plain
from qdebug.results import ClipCurve

LITTLE_DB = 1.0
"""Decibels below which a gain is not worth a word."""


def gain_db(found: ClipCurve) -> float:
    """What the best limit gains over the full range, in decibels of squared error; 0 where there is no error."""
    best, full = found.whole[found.best], found.whole[-1]
    return 10 * math.log10(full / best) if best > 0 else 0.0


def clip_finding(found: ClipCurve) -> str:
    """Whether clipping pays, in words."""
    if not any(found.whole):
        return "There is no error at any limit"
    gain = gain_db(found)
    if gain < LITTLE_DB:
        return f"{found.format}: clipping hardly pays, {decibel(gain)}{NBSP}dB at best"
    return f"{found.format}: clipping pays, the sum can be {decibel(gain)}{NBSP}dB lower than at the full range"


def clip_curve(found: ClipCurve, *, dark: bool, height: int = 300) -> go.Figure:
    """Both parts of the squared error and their sum at each limit, in percent of the error at the full range.

    Args:
        found: the curve.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(plain(clip_finding(found)), dark=dark, height=height)
    full = found.whole[-1] if found.whole and found.whole[-1] > 0 else 1.0
    limits = [100 * part for part in found.parts]
    lines = (
        ("clipping", found.clipping, colours.CLIPPING, "dash"),
        ("rounding", found.rounding, colours.ROUNDING, "dot"),
        ("sum", found.whole, colours.INK, "solid"),
    )
    for name, errors, tone, dash in lines:
        heights = [100 * error / full if error > 0 else None for error in errors]
        figure.add_scatter(
            x=limits, y=heights, mode="lines", name=name,
            line={"color": tone.on(dark), "width": 2.5 if name == "sum" else 2, "dash": dash},
            customdata=[[three(part * found.largest), "none" if y is None else three(y)]
                        for part, y in zip(found.parts, heights, strict=True)],
            hovertemplate=f"<b>{name}</b>, limit at %{{x:.0f}} % (±%{{customdata[0]}})<br>%{{customdata[1]}} % of the "
                          "error at the full range<extra></extra>",
        )  # fmt: skip
    if any(found.whole):
        _lowest(figure, found, full, dark)
    drawn = [error / full for error in found.whole if error > 0] or [1.0]
    low, high = 100 * min(drawn) / 30, 120 * max(drawn)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom", "font": {"size": 11},
                "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": "clip limit, % of the largest magnitude"}, "range": [0, 102], "dtick": 10},
        yaxis={"title": {"text": "squared error, % of the full range's"}, "type": "log", "dtick": 1,
               "range": [math.log10(low), math.log10(high)]},
    )  # fmt: skip
    return figure


def _lowest(figure: go.Figure, found: ClipCurve, full: float, dark: bool) -> None:
    """A ring around the sum's lowest point."""
    place, whole = found.best, found.whole[found.best]
    told = share(found.clipping[place] / whole) if whole > 0 else share(0.0)
    figure.add_scatter(
        x=[100 * found.parts[place]], y=[100 * whole / full], mode="markers", showlegend=False,
        marker={"symbol": "circle-open", "size": 12, "line": {"width": 2}, "color": colours.INK.on(dark)},
        customdata=[[told]],
        hovertemplate="<b>the lowest sum</b>, limit at %{x:.0f} %<br>%{customdata[0]} of it are clipping"
                      "<extra></extra>",
    )  # fmt: skip
