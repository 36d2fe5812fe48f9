"""Where along the sequence a layer's error lies."""

from __future__ import annotations

import math
import statistics

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel, percent, share, three, times
from qdebug.figures.text import plain, plural
from qdebug.results import PositionErrors, PositionSide
from qdebug.results.positions import SINK_POWER

OUTSTANDING, LEAST = 5.0, 0.1
"""A position stands out from so many times an even share on, and from so much of all on."""
TREND = 1.5
"""The error grows or falls along the sequence where the last quarter's is so many times the first's, or the first's
the last's."""
ALONE, WHOLE = "this layer alone quantized", "all before it quantized too"


def outstanding(side: PositionSide) -> int | None:
    """Which entry carries far more of the error than an even share; None where none does."""
    if len(side.share) < 2 or not side.has_error:
        return None
    at = max(range(len(side.share)), key=side.share.__getitem__)
    least = max(LEAST, min(OUTSTANDING / len(side.share), 0.5))
    return at if side.share[at] >= least else None


def position_finding(found: PositionErrors) -> str:
    """Which position stands out, or how the error goes along the sequence; of the layer alone before the whole."""
    sides = [(side, head) for side, head in ((found.alone, ""), (found.whole, "With all before it quantized, "))
             if side.has_error]  # fmt: skip
    if not sides:
        return "No error at any position"
    for side, head in sides:
        said = _outstanding(found, side) or _trend(side)
        if said:
            return f"{head}{said[0].lower()}{said[1:]}" if head else said
    side, head = sides[0]
    known = [value for value in side.relative if value is not None]
    low, high = percent(min(known)), percent(max(known))
    text = f"{low} to {high}" if low != high else low
    return f"{head}{'n' if head else 'N'}o position stands out: the error is {text} of the output's power"


def _outstanding(found: PositionErrors, side: PositionSide) -> str:
    at = outstanding(side)
    if at is None:
        return ""
    text = f"Position {found.positions[at]} carries {share(side.share[at])} of the error"
    if at == 0 and found.first_power >= SINK_POWER:
        return f"{text}: an attention sink, its output has {times(found.first_power)} the usual power"
    return f"{text}, {times(side.share[at] * len(side.share))} an even share"


def _trend(side: PositionSide) -> str:
    known = [value for value in side.relative if value is not None]
    quarter = len(known) // 4
    if not quarter:
        return ""
    first, last = statistics.median(known[:quarter]), statistics.median(known[-quarter:])
    if min(first, last) <= 0 or max(first, last) < TREND * min(first, last):
        return ""
    way = "grows" if last > first else "falls"
    return f"The error {way} along the sequence, from {percent(first)} to {percent(last)} of the output's power"


def position_errors(found: PositionErrors, *, dark: bool, height: int = 340) -> go.Figure:
    """SQNR of the output by position, with 95 % intervals, and below it each position's share of the squared error.

    The shares are those of the layer alone; where it makes no error, of the whole.
    """
    figure = template.blank(plain(position_finding(found)), dark=dark, height=height)
    for side, name, tone, width in (
        (found.alone, ALONE, colours.ACCENT, 2.0), (found.whole, WHOLE, colours.INK, 1.4),
    ):  # fmt: skip
        if side.has_error:
            _band(figure, found, side, tone.on(dark))
            _line(figure, found, side, name, tone.on(dark), width)
    _shares(figure, found, dark)
    figure.update_layout(yaxis2=figure["layout"]["yaxis"].to_plotly_json())
    figure.update_layout(
        showlegend=True, hovermode="closest", barmode="overlay", bargap=0.1,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "position in the sequence"}, "tickformat": ",d", "nticks": 9, "showgrid": False,
               "anchor": "y2"},
        yaxis={"title": {"text": "SQNR, dB"}, "nticks": 5, "domain": [0.42, 1.0]},
        yaxis2={"title": {"text": "share of error"}, "nticks": 4, "domain": [0.0, 0.32], "ticksuffix": f"{NBSP}%",
                "rangemode": "tozero"},
    )  # fmt: skip
    return figure


def _level(relative: float | None) -> float | None:
    """A relative squared error in decibels of SQNR; None where there is none."""
    return -10 * math.log10(relative) if relative else None


def _band(figure: go.Figure, found: PositionErrors, side: PositionSide, tone: str) -> None:
    """The interval, run by run, where both of its ends are there."""
    tops, bottoms, places = [], [], []
    for place, low, high in zip(found.positions, side.low, side.high, strict=True):
        top, bottom = _level(low), _level(high)
        if top is not None and bottom is not None:
            places.append(place)
            tops.append(top)
            bottoms.append(bottom)
    if len(places) > 1:
        figure.add_scatter(
            x=[*places, *reversed(places)], y=[*tops, *reversed(bottoms)], mode="lines", line={"width": 0},
            fill="toself", fillcolor=tone, opacity=0.16, hoverinfo="skip", showlegend=False,
        )  # fmt: skip


def _line(figure: go.Figure, found: PositionErrors, side: PositionSide, name: str, tone: str, width: float) -> None:
    """The SQNR of each position; a mark on each where they are few."""
    said = [
        [decibel(_level(value)), _interval(low, high), percent(value), share(part), plural(count, "sample")]
        for value, low, high, part, count in zip(
            side.relative, side.low, side.high, side.share, found.counts, strict=True
        )
    ]
    figure.add_scatter(
        name=name, x=list(found.positions), y=[_level(value) for value in side.relative],
        mode="lines+markers" if len(found.positions) <= 32 else "lines", marker={"size": 5, "color": tone},
        line={"width": width, "color": tone}, customdata=said,
        hovertemplate=f"<b>position %{{x}}</b>, {name}<br>SQNR %{{customdata[0]}} dB%{{customdata[1]}}<br>"
                      "squared error %{customdata[2]} of the output's power<br>%{customdata[3]} of all error · "
                      "%{customdata[4]}<extra></extra>",
    )  # fmt: skip


def _interval(low: float | None, high: float | None) -> str:
    worst, best = _level(high), _level(low)
    if worst is None:
        return ""
    return f", {decibel(worst)} to {decibel(best) if best is not None else '∞'} at 95{NBSP}%"


def _shares(figure: go.Figure, found: PositionErrors, dark: bool) -> None:
    side, name = (found.alone, ALONE) if found.alone.has_error else (found.whole, WHOLE)
    at = outstanding(side)
    tones = [(colours.TROUBLE if index == at else colours.PLAIN).on(dark) for index in range(len(side.share))]
    figure.add_bar(
        x=list(found.positions), y=[100 * part for part in side.share], yaxis="y2",
        marker={"color": tones, "line": {"width": 0}},
        customdata=[[share(part), three(power)] for part, power in zip(side.share, found.power, strict=True)],
        hovertemplate=f"<b>position %{{x}}</b>, {name}<br>%{{customdata[0]}} of the squared error<br>"
                      "squared float output %{customdata[1]}<extra></extra>",
        showlegend=False,
    )  # fmt: skip
    if at is not None:
        right = found.positions[at] > 0.6 * found.positions[-1]
        figure.add_annotation(
            x=found.positions[at], y=100 * side.share[at], yref="y2", showarrow=False, yanchor="top",
            text=f"{colours.TROUBLE_MARK} position {found.positions[at]}, {share(side.share[at])}",
            xanchor="right" if right else "left", xshift=-8 if right else 8,
            font={"size": 11, "color": colours.TROUBLE_TEXT.on(dark)},
        )  # fmt: skip
