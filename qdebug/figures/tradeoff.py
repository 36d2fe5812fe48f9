"""Size against metric: what each recipe buys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import FRACTIONS, metric_title, metric_value, size, three, times
from qdebug.figures.text import plain
from qdebug.results import Score

SYMBOLS = {"now": "diamond", "tried": "circle", "preset": "circle-open"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One recipe in the chart.

    Attributes:
        label: its name, for people.
        score: its score.
        kind: the recipe at hand, one made by hand in this session, or a preset.
        format: the weight format most of it has, which gives it its colour.
    """

    label: str
    score: Score
    kind: Literal["now", "tried", "preset"]
    format: str


def harmless(score: Score) -> bool:
    """Whether the metric is within one point of float (5 % for a perplexity, 30 dB for a plain output)."""
    metric = score.metric
    if metric.name in FRACTIONS:
        return metric.delta >= -0.01
    if metric.name == "sqnr_db":
        return metric.quantized >= 30
    loss = -metric.delta if metric.higher_is_better else metric.delta
    return loss <= 0.05 * abs(metric.float_)


def allowance(name: str) -> str:
    """What :func:`harmless` allows, in words."""
    return "1 point of float" if name in FRACTIONS else "30 dB" if name == "sqnr_db" else "5 % of float"


def tradeoff_finding(candidates: tuple[Candidate, ...]) -> str:
    """The smallest recipe that does no harm, in words."""
    if not candidates:
        return "Nothing has been measured yet"
    good = [one for one in candidates if harmless(one.score)]
    limit = allowance(candidates[0].score.metric.name)
    if not good:
        return f"Nothing measured so far stays within {limit}"
    best = min(good, key=lambda one: one.score.size.quantized_bytes)
    smaller = best.score.size.float_bytes / max(1, best.score.size.quantized_bytes)
    return f"{best.label} is the smallest within {limit}: {times(smaller)} smaller"


def tradeoff(candidates: tuple[Candidate, ...], *, dark: bool, height: int = 320) -> go.Figure:
    """Bytes of all parameters against the task metric, the float model among them."""
    figure = template.blank(plain(tradeoff_finding(candidates)), dark=dark, height=height)
    if not candidates:
        return figure
    first = candidates[0].score
    name = first.metric.name
    factor = 100 if name in FRACTIONS else 1
    unit, scale = ("MB", 1e6) if first.size.float_bytes >= 1e6 else ("kB", 1e3)
    if name != "sqnr_db":  # the float model's own SQNR is no number
        _draw_float(figure, first, factor, scale, dark)
    # Neighbours write above and below their marks in turn, so that their names do not run into each other; what was
    # tried by hand is often close together and says its name on hover.
    for turn, one in enumerate(sorted(candidates, key=lambda one: one.score.size.quantized_bytes)):
        _draw_candidate(figure, one, factor, scale, ("top center", "bottom center")[turn % 2], dark)
    biggest = first.size.float_bytes / scale
    steep = not first.metric.higher_is_better
    figure.update_layout(
        xaxis={"title": {"text": f"size of all parameters, {unit}"}, "range": [0, biggest * 1.12], "nticks": 6},
        yaxis={"title": {"text": f"{metric_title(name)}{', %' if factor == 100 else ', log' if steep else ''}"},
               "type": "log" if steep else "linear", "nticks": 6, "range": [0, 108] if factor == 100 else None},
    )  # fmt: skip
    return figure


def _draw_float(figure: go.Figure, score: Score, factor: float, scale: float, dark: bool) -> None:
    value, bulk = metric_value(score.metric.name, score.metric.float_), size(score.size.float_bytes)
    figure.add_scatter(
        x=[score.size.float_bytes / scale], y=[factor * score.metric.float_], mode="markers+text", text=["float"],
        textposition="bottom center", marker={"size": 10, "color": colours.MARK["p32"].on(dark)},
        hovertemplate=f"float, {bulk}: {value}<extra></extra>",
    )  # fmt: skip


def _draw_candidate(figure: go.Figure, one: Candidate, factor: float, scale: float, beside: str, dark: bool) -> None:
    metric, bulk, now = one.score.metric, one.score.size, one.kind == "now"
    colour = colours.of_format(one.format, dark)
    low, high = metric.quantized_ci95
    figure.add_scatter(
        x=[bulk.quantized_bytes / scale], y=[factor * metric.quantized],
        mode="markers" if one.kind == "tried" else "markers+text",
        text=[f"<b>{plain(one.label)}</b>" if now else plain(one.label)],
        textposition="middle right" if now else beside,
        error_y={"type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": colours.MUTED.on(dark),
                 "array": [factor * (high - metric.quantized)], "arrayminus": [factor * (metric.quantized - low)],
                 "visible": now},
        marker={"size": 12 if now else 8, "symbol": SYMBOLS[one.kind], "color": colour,
                "line": {"width": 0 if now else 2, "color": colour}},
        customdata=[[plain(one.label), size(bulk.quantized_bytes), three(bulk.bits_per_weight),
                     metric_value(metric.name, metric.quantized)]],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}, %{customdata[2]} bits per weight<br>"
                      f"{plain(metric_title(metric.name))} %{{customdata[3]}}<extra></extra>",
    )  # fmt: skip
