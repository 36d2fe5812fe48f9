"""Size against metric: what each recipe buys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import metric_title, metric_value, size, three, times
from qdebug.figures.text import plain
from qdebug.results import Metric, Score
from qdebug.results.score import is_fraction

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


_ALLOWANCES = {
    "sqnr_db": "30 dB", "cosine": "0.01 of float", "mse_to_float": "0.1 % of the output's power",
}  # fmt: skip


def allowance(name: str) -> str:
    """What counts as harmless, in words."""
    return "1 point of float" if is_fraction(name) else _ALLOWANCES.get(name, "5 % of float")


def harmless_words(name: str) -> str:
    """What counts as harmless, as it follows ``to stay`` or, of an SQNR, ``keeps``."""
    return allowance(name) if name == "sqnr_db" else f"within {allowance(name)}"


def tradeoff_finding(candidates: tuple[Candidate, ...]) -> str:
    """The smallest recipe that does no harm, in words."""
    if not candidates:
        return "Nothing has been measured yet"
    good = [one for one in candidates if one.score.metric.harmless]
    name = candidates[0].score.metric.name
    limit = harmless_words(name)
    if not good:
        return f"Nothing measured so far {'keeps' if name == 'sqnr_db' else 'stays'} {limit}"
    best = min(good, key=lambda one: one.score.size.quantized_bytes)
    smaller = best.score.size.float_bytes / max(1, best.score.size.quantized_bytes)
    within = f"that keeps {limit}" if name == "sqnr_db" else limit
    return f"{best.label} is the smallest {within}: {times(smaller)} smaller"


def tradeoff(candidates: tuple[Candidate, ...], *, dark: bool, height: int = 320) -> go.Figure:
    """Bytes of all parameters against the task metric, the float model among them."""
    figure = template.blank(plain(tradeoff_finding(candidates)), dark=dark, height=height)
    if not candidates:
        return figure
    first = candidates[0].score
    name = first.metric.name
    factor = 100 if is_fraction(name) else 1
    unit, scale = ("MB", 1e6) if first.size.float_bytes >= 1e6 else ("kB", 1e3)
    if name != "sqnr_db":  # the float model's own SQNR is no number
        _draw_float(figure, first, factor, scale, dark)
    # Neighbours write above and below their marks in turn, so that their names do not run into each other; what was
    # tried by hand is often close together and says its name on hover.
    turn = 0
    for one in sorted(candidates, key=lambda one: one.score.size.quantized_bytes):
        _draw_candidate(figure, one, factor, scale, ("top center", "bottom center", "middle left")[turn % 3], dark)
        turn += one.kind == "preset"
    biggest = first.size.float_bytes / scale
    values = [one.score.metric.quantized for one in candidates] + [first.metric.float_]
    steep = not first.metric.higher_is_better and min(values) > 0
    figure.update_layout(
        xaxis={"title": {"text": f"size of all parameters, {unit}"}, "range": [0, biggest * 1.12], "nticks": 6},
        yaxis={"title": {"text": f"{metric_title(name)}{_unit(name, steep)}"},
               "type": "log" if steep else "linear", "nticks": 6, "range": [0, 108] if factor == 100 else None},
    )  # fmt: skip
    if steep:
        figure.update_yaxes(tickvals=log_ticks(values), tickformat=f".{_digits(values)}~g")
    return figure


def _unit(name: str, steep: bool) -> str:
    return ", %" if is_fraction(name) else ", dB" if name == "sqnr_db" else ", log" if steep else ""


_WIDE = 2.6
"""Decades beyond which a log axis has powers of ten alone."""


def log_ticks(values: list[float]) -> list[float] | None:
    """Numbers to write on a log axis over these values; None where few would show.

    They are 1, 2 and 5 times powers of ten; over much more than two decades, where these would crowd, powers alone.
    """
    finite = [value for value in values if 0 < value < math.inf]
    if not finite:
        return None
    low, high = math.log10(min(finite)), math.log10(max(finite))
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low - 0.2 <= math.log10(tick) <= high + 0.2]
    whole = [10.0**power for power in powers if low - 0.2 <= power <= high + 0.2]
    if high - low > _WIDE and len(whole) >= 3:
        return whole
    return inside if len(inside) >= 3 and high - low > 0.3 else None


def _digits(values: list[float]) -> int:
    """How many digits tell marks on an axis over these values apart."""
    finite = [value for value in values if math.isfinite(value)]
    spread = max(finite, default=0.0) - min(finite, default=0.0)
    return 3 if spread <= 0 else min(7, max(3, 2 + math.ceil(math.log10(max(map(abs, finite)) / spread))))


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
    low, high = interval(metric)
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


def interval(metric: Metric) -> tuple[float, float]:
    """The quantized value's interval as it is compared with float: on the same samples, which is far tighter."""
    if metric.name == "sqnr_db":  # there is no float value to add to
        return metric.quantized_ci95
    return metric.float_ + metric.ci95[0], metric.float_ + metric.ci95[1]
