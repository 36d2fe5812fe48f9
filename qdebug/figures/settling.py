"""How a clip range settles as calibration sees more samples."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three
from qdebug.figures.text import plural
from qdebug.results import Convergence, RangeConvergence

WORDS: dict[str, str] = {
    "minmax": "min–max", "moving_average": "moving average", "percentile": "percentile", "mse": "least squared error",
    "entropy": "entropy", "aciq_laplace": "ACIQ Laplace", "aciq_gauss": "ACIQ Gauss", "octav": "OCTAV",
}  # fmt: skip
"""What range methods are called where there is little room."""

_ROOM = 0.075
"""Part of the axis that a name at the right edge needs."""


def settling_finding(found: Convergence, method: str) -> str:
    """From how many samples on the range stays, in words."""
    one = next((row for row in found.methods if row.method == method), found.methods[0])
    last = found.samples[-1]
    name = WORDS[one.method]
    if one.settled < last:
        return f"With {name} the range stays within 5 % from {plural(one.settled, 'sample')} on"
    quick = min(found.methods, key=lambda row: row.settled)
    if quick.settled < last:
        return f"With {name} the range still moves at {last} samples; {WORDS[quick.method]} settles at {quick.settled}"
    return f"The range still moves at {last} samples, whatever the method"


def settling(found: Convergence, method: str, *, dark: bool, height: int = 240) -> go.Figure:
    """The upper clip limit (of symmetric data the lower, mirrored, is like it) against samples seen, by method.

    Args:
        found: the ranges.
        method: the one in use, drawn in ink.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(settling_finding(found, method), dark=dark, height=height)
    top = max((high for row in found.methods for high in row.high), default=1.0) or 1.0
    low = min((low for row in found.methods for low in row.low), default=0.0)
    both = low < -0.02 * top
    bottom = min((high for row in found.methods for high in row.high), default=0.0)
    floor = low if both else 0.85 * max(bottom, 0.0)
    for row in found.methods:
        used = row.method == method
        for side in (row.high, row.low) if both else (row.high,):
            figure.add_scatter(
                x=list(found.samples), y=list(side), mode="lines+markers",
                line={"color": (colours.ACCENT if used else colours.PLAIN).on(dark), "width": 2.5 if used else 1.25},
                marker={"size": [7 if count == row.settled else 0 for count in found.samples]},
                customdata=[[WORDS[row.method], three(a), three(b), count, row.settled]
                            for a, b, count in zip(row.low, row.high, found.samples, strict=True)],
                hovertemplate="<b>%{customdata[0]}</b> after %{customdata[3]} samples<br>%{customdata[1]} to "
                              "%{customdata[2]}<br>within 5 % of the last from %{customdata[4]} on<extra></extra>",
            )  # fmt: skip
    for row, place in _beside(found.methods, _ROOM * (top - floor)):
        used = row.method == method
        tone = colours.INK if used else colours.MUTED
        figure.add_annotation(
            x=1.0, xref="paper", y=place, xanchor="left", xshift=4, showarrow=False,
            font={"size": 11, "color": tone.on(dark)},
            text=f"<b>{WORDS[row.method]}</b>" if used else WORDS[row.method],
        )  # fmt: skip
    figure.update_layout(
        margin={"l": 8, "r": 128, "t": 8, "b": 8, "pad": 2},
        xaxis={"type": "log", "title": {"text": "calibration samples"}, "tickvals": list(found.samples),
               "ticktext": [str(count) for count in found.samples], "showgrid": False},
        yaxis={"title": {"text": "clip limits" if both else "upper clip limit"}, "nticks": 5,
               "range": [floor - 0.04 * (top - floor), top + 0.06 * (top - floor)]},
    )  # fmt: skip
    return figure


def _beside(rows: tuple[RangeConvergence, ...], room: float) -> list[tuple[RangeConvergence, float]]:
    """Each method and where its name stands: at its last upper limit, moved up or down as far as needed."""
    ordered = sorted(rows, key=lambda row: row.high[-1])
    places: list[float] = []
    for row in ordered:
        places.append(max(row.high[-1], places[-1] + room) if places else row.high[-1])
    over = places[-1] - max(row.high[-1] for row in rows) if places else 0.0
    if over > 0:  # the pile rises above the highest line: let it hang from there
        for i in range(len(places) - 1, -1, -1):
            highest = places[i + 1] - room if i + 1 < len(places) else ordered[-1].high[-1]
            places[i] = min(places[i], highest)
    return list(zip(ordered, places, strict=True))
