"""Which layers hurt in which format, in pictures: along the depth, and predicted against measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import count, three
from qdebug.figures.sensitivity import (
    Part,
    agreement_finding,
    awaited,
    depth_finding,
    is_measured,
    is_partial,
    known,
    unit,
)
from qdebug.figures.text import plain
from qdebug.figures.tradeoff import log_ticks
from qdebug.results import Sensitivity, SensitivityRow

Mark = tuple[int, SensitivityRow, float]
"""A layer's place in the graph, what is known of it, and its error."""
SYMBOLS = ("circle", "square", "triangle-up", "cross", "triangle-down", "star", "pentagon", "hexagon")
DASHES = ("solid", "dot", "dash", "dashdot")
MOST_INTERVALS = 120
"""Marks beyond which their intervals are left to the hover: they would hide one another."""
MOST_MARKS = 240
"""Layers of a format that are drawn one by one; of more, the most harmful of each run of neighbours stands for it."""
SPAN = 1e9
"""The axis ends this many times below the largest error: what is smaller is as good as none."""


def by_depth(found: Sensitivity, weights: dict[str, str], *, dark: bool, part: Part = "both") -> go.Figure:
    """A mark for each layer and format, in the order of the graph; filled where measured, hollow where predicted.

    Args:
        found: the errors.
        weights: the name of each format's weight format, which gives it the colour.
        dark: whether it stands on dark ground.
        part: what of a layer is quantized.
    """
    figure = template.blank(plain(depth_finding(found, part)), dark=dark, height=360)
    values: list[float] = []
    run = math.ceil(len(found.rows) / max(1, len(found.formats)) / MOST_MARKS)
    for place, name in enumerate(found.formats):
        rows = found.of_format(name)
        shown = _worst(
            [(at, row, value) for at, row in enumerate(rows, 1) if (value := known(row, part)) and value > 0], run
        )
        if not shown:
            continue
        values += [value for *_, value in shown]
        colour, symbol = colours.of_format(weights[name], dark), SYMBOLS[place % len(SYMBOLS)]
        figure.add_scatter(
            name=plain(name), x=[at for at, *_ in shown], y=[value for *_, value in shown],
            mode="markers" if len(rows) > 40 else "lines+markers",
            line={"width": 1, "color": colour, "dash": DASHES[place % len(DASHES)]},
            error_y=_intervals([(row, value) for _, row, value in shown], part, colour),
            marker={"size": 6 if len(rows) > 40 else 9, "color": colour, "line": {"width": 1.6, "color": colour},
                    "symbol": [symbol if is_measured(row, part) else symbol + "-open" for _, row, _ in shown]},
            customdata=[[row.layer, *_said(row, found.of)] for _, row, _ in shown],
            hovertemplate="<b>%{customdata[1]}</b> in " + plain(name) + "<br>%{customdata[2]}<br>%{customdata[3]}"
                          "<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True, hovermode="closest",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "layer, counted from the input" + (f"; the worst of every {run}" if run > 1 else "")},
               "tickformat": ",d", "nticks": 8, "showgrid": False},
        yaxis=_log_axis(f"gain in {unit(found)}" if part == "without" else unit(found), values),
    )  # fmt: skip
    return figure


def predicted_measured(found: Sensitivity, weights: dict[str, str], *, dark: bool) -> go.Figure:
    """Measured errors over predicted ones, with the diagonal on which both are equal.

    Args:
        found: the errors.
        weights: as for :func:`by_depth`.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(agreement_finding(found)), dark=dark, height=320)
    values: list[float] = []
    for place, name in enumerate(found.formats):
        rows = [row for row in found.of_format(name) if row.predicted and row.exact]
        if not rows:
            continue
        values += [value for row in rows for value in (row.predicted or 0.0, row.exact or 0.0)]
        colour = colours.of_format(weights[name], dark)
        odd = colours.TROUBLE.on(dark)
        figure.add_scatter(
            name=plain(name), x=[row.predicted for row in rows], y=[row.exact for row in rows], mode="markers",
            marker={"opacity": 1.0, "color": colour,
                    "size": [12 if row.linear is False else 8 for row in rows],
                    "symbol": ["diamond" if row.linear is False else SYMBOLS[place % len(SYMBOLS)] for row in rows],
                    "line": {"width": [2 if row.linear is False else 0 for row in rows], "color": odd}},
            customdata=[[row.layer, *_said(row, found.of)] for row in rows],
            hovertemplate="<b>%{customdata[1]}</b> in " + plain(name) + "<br>%{customdata[2]}<br>%{customdata[3]}"
                          "<extra></extra>",
        )  # fmt: skip
    if values:
        ends = [min(values) / 2, max(values) * 2]
        figure.add_scatter(
            x=ends, y=ends, mode="lines", hoverinfo="skip", showlegend=False,
            line={"width": 1, "color": colours.MUTED.on(dark), "dash": "dot"},
        )  # fmt: skip
        figure.add_annotation(
            x=math.log10(ends[1]), y=math.log10(ends[1]), text="as predicted", showarrow=False, xanchor="right",
            yanchor="bottom", xshift=-14, font={"size": 11, "color": colours.MUTED.on(dark)},
        )  # fmt: skip
    figure.update_layout(
        showlegend=True, hovermode="closest",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis=_log_axis(f"predicted {unit(found)}", values), yaxis=_log_axis("measured", values),
    )  # fmt: skip
    return figure


def _worst(marks: list[Mark], run: int) -> list[Mark]:
    """Of every run of neighbouring layers the most harmful one."""
    runs: dict[int, Mark] = {}
    for mark in marks:
        place = (mark[0] - 1) // max(1, run)
        if place not in runs or mark[2] > runs[place][2]:
            runs[place] = mark
    return list(runs.values())


def _log_axis(title: str, values: Sequence[float]) -> dict[str, object]:
    axis: dict[str, object] = {"type": "log", "title": {"text": f"{title}, log"}, "exponentformat": "power"}
    if not values:
        return axis
    high = max(values)
    low = max(min(values), high / SPAN)
    axis["range"] = [math.log10(low) - 0.25, math.log10(high) + 0.25]
    if math.log10(high / low) < 2:
        axis |= {"tickvals": log_ticks([low, high]), "tickformat": ".3~g"}
    else:
        axis["dtick"] = math.ceil(math.log10(high / low) / 6)
    return axis


def _intervals(rows: Sequence[tuple[SensitivityRow, float]], part: Part, colour: str) -> dict[str, object]:
    if part in ("weight", "activation") or len(rows) > MOST_INTERVALS:
        return {"visible": False}
    bounds = [
        row.gain_ci95 if part == "without" else row.exact_ci95 if is_measured(row) else row.predicted_ci95
        for row, _ in rows
    ]
    pairs = [(bound or (value, value), value) for bound, (_, value) in zip(bounds, rows, strict=True)]
    return {
        "type": "data", "symmetric": False, "thickness": 1, "width": 2, "color": colour,
        "array": [max(0.0, high - value) for (_, high), value in pairs],
        "arrayminus": [min(max(0.0, value - low), 0.999 * value) for (low, _), value in pairs],
    }  # fmt: skip


def _said(row: SensitivityRow, of: int) -> tuple[str, str, str]:
    """A layer's name and two lines: what is known, and how."""
    lines = in_words(row, of)
    return plain(row.layer), plain(lines[0]), plain("; ".join(lines[1:]))


def in_words(row: SensitivityRow, of: int = 0) -> tuple[str, ...]:
    """All that is known of a row, in a few lines; ``of`` is how many samples there are."""
    if row.refused:
        return (f"not possible: {row.refused}",)
    lines: list[str] = []
    if row.exact is not None:
        seen = f" on {count(row.n)} of {count(of)} samples" if is_partial(row, of) else ""
        lines.append(f"measured {three(row.exact)}{_between(row.exact_ci95)}{seen}")
    if row.awaits_heavy:
        lines.append(awaited(row))
    if row.predicted is not None:
        lines.append(f"predicted {three(row.predicted)}{_between(row.predicted_ci95)}")
        lines.append(f"weight alone {three(row.weight)}, input alone {three(row.activation)}")
    if row.linear is False:
        lines.append("outside the linear regime: the error is not what gradients foretell")
    if row.gain is not None:
        lines.append(f"left float where all others are quantized, it gains {three(row.gain)}{_between(row.gain_ci95)}")
    return tuple(lines) or ("no gradient gets from the output to this layer: measure it",)


def _between(interval: tuple[float, float] | None) -> str:
    if interval is None or interval[0] == interval[1]:
        return ""
    return f" (95 %: {three(interval[0])} to {three(interval[1])})"
