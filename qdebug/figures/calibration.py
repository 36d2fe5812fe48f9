"""What calibration data do: how many are enough, and what leaves the calibrated ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import (
    NBSP,
    metric_change,
    metric_title,
    metric_value,
    share,
    small_share,
    three,
    times,
)
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import CalibrationCurve, CalibrationPoint, Coverage, RangeSetters
from qdebug.results.score import is_fraction

_FEW, _NEAR = 1e-4, 0.25
"""Share of values outside, and distance in widths of the range, below which they hardly matter."""

SETTLED = 0.95
"""Share of the final width from which a range counts as there."""


def curve_finding(found: CalibrationCurve) -> str:
    """From how many calibration samples on the metric stays, in words."""
    total = found.points[-1].samples
    if len(found.points) < 2:
        return "Nothing in this recipe depends on calibration data"
    slack = tolerance_words(found)
    if found.enough < total:
        who = "sample is" if found.enough == 1 else "samples are"
        return (
            f"{found.enough} calibration {who} enough: from there on every subset's {metric_title(found.metric)} is "
            f"within {slack} of that of all {total}"
        )
    before = found.points[-2]
    text = (
        f"At {plural(before.samples, 'calibration sample')} {metric_title(found.metric)} still depends on which are "
        f"drawn, by {spread_words(found, before)}"
    )
    best = best_point(found)
    if abs(best.mean - found.points[-1].mean) > found.tolerance:
        text += f"; on average {best.samples} did better than all {total}"
    return text


def best_point(found: CalibrationCurve) -> CalibrationPoint:
    """The number of samples with the best mean; of equals the most samples. Ranges that only widen may get too wide."""
    sign = 1.0 if found.higher_is_better else -1.0
    return max(found.points, key=lambda point: (sign * point.mean, point.samples))


def tolerance_words(found: CalibrationCurve) -> str:
    """What counts as no difference: ``0.5 points``."""
    if is_fraction(found.metric):
        return f"{100 * found.tolerance:.2g}{NBSP}points"
    return f"{three(found.tolerance)}{NBSP}dB" if found.metric == "sqnr_db" else three(found.tolerance)


def spread_words(found: CalibrationCurve, point: CalibrationPoint) -> str:
    """How far apart the subsets of one size are."""
    text, unit = metric_change(found.metric, point.high - point.low)
    if found.metric == "sqnr_db":
        return f"{point.high - point.low:.1f}{NBSP}dB"
    return f"{text.lstrip('+')}{NBSP}{unit}".rstrip(NBSP)


def calibration_curve(found: CalibrationCurve, *, dark: bool, height: int = 260) -> go.Figure:
    """The metric against the number of calibration samples: mean, all subsets, and the band that they span."""
    unit = 100.0 if is_fraction(found.metric) else 1.0
    figure = template.blank(plain(curve_finding(found)), dark=dark, height=height)
    bounds = _band(figure, found, lambda point: [unit * value for value in point.metrics], colours.ROUNDING.on(dark))
    last = found.points[-1]
    slack = unit * found.tolerance
    for side in (-slack, slack):
        figure.add_hline(y=unit * last.mean + side, line={"color": colours.MUTED.on(dark), "width": 1, "dash": "dot"})
    figure.add_scatter(
        x=[point.samples for point in found.points], y=[unit * point.mean for point in found.points],
        mode="lines+markers", line={"color": colours.ACCENT.on(dark), "width": 2.5}, marker={"size": 6},
        customdata=[_told(found, point) for point in found.points],
        hovertemplate="<b>%{customdata[0]}</b><br>mean %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )  # fmt: skip
    bounds += [unit * last.mean - 1.5 * slack, unit * last.mean + 1.5 * slack]
    title = metric_title(found.metric) + (", %" if unit > 1 else ", dB" if found.metric == "sqnr_db" else "")
    _axes(figure, found, title, bounds)
    return figure


def _told(found: CalibrationCurve, point: CalibrationPoint) -> tuple[str, str, str]:
    low, high = (metric_value(found.metric, value) for value in (point.low, point.high))
    span = f"{plural(len(point.metrics), 'subset')} from {low} to {high}" if len(point.metrics) > 1 else "all there are"
    return plural(point.samples, "calibration sample"), metric_value(found.metric, point.mean), span


def growth_finding(found: CalibrationCurve) -> str:
    """How wide the ranges are at a given number of samples, in words."""
    if not found.calibrated or len(found.points) < 2:
        return "No tensor has a range from calibration data"
    for point in found.points:
        if point.narrowest and _mean(point.narrowest) >= SETTLED:
            total = found.points[-1].samples
            if point.samples == total:
                break
            return f"From {plural(point.samples, 'sample')} on every range has {share(SETTLED)} of its final width"
    before = found.points[-2]
    return (
        f"At {plural(before.samples, 'sample')} the ranges have {share(_mean(before.widths))} of their final width, "
        f"the slowest {share(_mean(before.narrowest))}"
    )


def range_growth(found: CalibrationCurve, *, dark: bool, height: int = 220) -> go.Figure:
    """The ranges' widths, as a share of those from all samples, against the number of samples: median and slowest."""
    figure = template.blank(growth_finding(found), dark=dark, height=height)
    bounds = [0.0, 100.0]
    lines: tuple[tuple[str, Callable[[CalibrationPoint], tuple[float, ...]], colours.Tone], ...] = (
        ("median range", lambda point: point.widths, colours.ACCENT),
        ("slowest range", lambda point: point.narrowest, colours.MUTED),
    )
    for above, (name, values, tone) in zip((True, False), lines, strict=True):
        bounds += _band(
            figure,
            found,
            lambda point, of=values: [100 * value for value in of(point)],
            (colours.ROUNDING if above else colours.PLAIN).on(dark),
        )
        x = [point.samples for point in found.points]
        y = [100 * _mean(values(point)) for point in found.points]
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": tone.on(dark), "width": 2}, name=name,
            hovertemplate=f"<b>{name}</b> at %{{x}} samples<br>%{{y:.0f}} % of its final width<extra></extra>",
        )  # fmt: skip
        middle = len(x) // 2
        figure.add_annotation(
            x=math.log10(x[middle]), y=y[middle], text=name, showarrow=False, yanchor="bottom" if above else "top",
            xanchor="right" if above else "left", xshift=-4 if above else 4,
            font={"size": 11, "color": tone.on(dark)},
        )  # fmt: skip
    _axes(figure, found, "width, % of the final one", bounds)
    return figure


def _band(
    figure: go.Figure, found: CalibrationCurve, values: Callable[[CalibrationPoint], Sequence[float]], tone: str
) -> list[float]:
    """Draw the band that the subsets span; returns its ends."""
    points = [point for point in found.points if values(point)]
    x = [point.samples for point in points]
    low, high = [min(values(point)) for point in points], [max(values(point)) for point in points]
    red, green, blue = (int(tone[place : place + 2], 16) for place in (1, 3, 5))
    figure.add_scatter(
        x=[*x, *reversed(x)], y=[*high, *reversed(low)], mode="lines", fill="toself", hoverinfo="skip",
        line={"width": 0}, fillcolor=f"rgba({red},{green},{blue},0.28)",
    )  # fmt: skip
    return [*low, *high]


def _axes(figure: go.Figure, found: CalibrationCurve, title: str, bounds: Sequence[float]) -> None:
    numbers = [point.samples for point in found.points]
    room = 0.06 * (max(bounds) - min(bounds) or 1.0)
    figure.update_layout(
        xaxis={"type": "log", "title": {"text": "calibration samples"}, "tickvals": numbers,
               "ticktext": [str(number) for number in numbers], "showgrid": False},
        yaxis={"title": {"text": title}, "nticks": 6, "range": [min(bounds) - room, max(bounds) + room]},
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 1.0


def coverage_finding(found: RangeSetters) -> str:
    """Whether evaluation data stay in the calibrated ranges, in words."""
    if not found.tensors:
        return "No tensor has a range from calibration data"
    rows = worst_covered(found)
    left = [row for row in rows if row.outside > 0]
    if not left:
        return "No value of the evaluation data leaves its calibrated range"
    first, farthest = left[0], max(row.reach for row in left)
    if first.outside < _FEW and farthest < _NEAR:
        return (
            f"Evaluation data all but stay in the calibrated ranges: at most {small_share(first.outside)} of a "
            f"tensor's values leave ({shorten(first.name)}), none farther than {multiple(farthest)} the width"
        )
    own = f" ({small_share(first.outside_calibration)} of the calibration data's)" if first.outside_calibration else ""
    return (
        f"{small_share(first.outside)} of the evaluation data's values{own} leave the range of {shorten(first.name)}, "
        f"the worst of {plural(len(found.tensors), 'tensor')}; the farthest by {multiple(first.reach)} its width"
    )


def multiple(reach: float) -> str:
    """A multiple of a range's width: ``1.3×``, ``0.041×``."""
    return times(reach) if reach >= 0.95 else f"{reach:.2g}×"


def worst_covered(found: RangeSetters) -> list[Coverage]:
    """The tensors, the largest share outside first."""
    return sorted(found.tensors, key=lambda row: (-row.outside, -row.reach))


def coverage_bars(found: RangeSetters, *, dark: bool, most: int = 16) -> go.Figure:
    """The share of the evaluation data's values that leave each calibrated range, worst first.

    Beside it stands that of the calibration data, which a range method may clip on purpose.
    """
    rows = worst_covered(found)[:most]
    figure = template.blank(plain(coverage_finding(found)), dark=dark, height=66 + 21 * len(rows))
    keys = [f"{row.name}\u200b{place}" for place, row in enumerate(rows)]
    figure.add_bar(
        orientation="h", y=keys, x=[100 * row.outside for row in rows], width=0.56,
        marker={"color": colours.CLIPPING.on(dark), "line": {"width": 0}},
        customdata=[_row_told(row) for row in rows],
        hovertemplate="<b>%{customdata[0]}</b><br>calibrated range %{customdata[1]}<br>%{customdata[2]} of the "
                      "evaluation data's values outside, %{customdata[3]} of the calibration data's<br>%{customdata[4]}"
                      "<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[100 * row.outside_calibration for row in rows], y=keys, mode="markers", hoverinfo="skip",
        marker={"symbol": "line-ns", "size": 13, "line": {"width": 2, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    for key, row in zip(keys, rows, strict=True):
        if row.outside > 0:
            figure.add_annotation(
                x=100 * max(row.outside, row.outside_calibration), y=key, xanchor="left", xshift=6, showarrow=False,
                text=small_share(row.outside), font={"size": 11, "color": colours.INK.on(dark)},
            )  # fmt: skip
            figure.add_annotation(
                x=1.0, xref="paper", y=key, xanchor="right", xshift=52, showarrow=False, text=multiple(row.reach),
                font={"size": 11, "color": colours.INK.on(dark)},
            )  # fmt: skip
    if any(row.outside > 0 for row in rows):
        figure.add_annotation(
            x=1.0, xref="paper", y=1.0, yref="paper", xanchor="right", yanchor="bottom", xshift=52, showarrow=False,
            text="farthest", font={"size": 11, "color": colours.MUTED.on(dark)},
        )  # fmt: skip
    widest = max((100 * max(row.outside, row.outside_calibration) for row in rows), default=0.0) or 1.0
    figure.update_layout(
        margin={"l": 8, "r": 60, "t": 22, "b": 8, "pad": 2},
        xaxis={"range": [0, 1.8 * widest], "title": {"text": "values outside the calibrated range, %"}, "nticks": 5},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": keys,
               "ticktext": [plain(shorten(row.name, 24)) for row in rows],
               "tickfont": {"family": template.MONO, "size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _row_told(row: Coverage) -> tuple[str, str, str, str, str]:
    reach = (
        f"farthest: evaluation sample {row.farthest}, {multiple(row.reach)} the range's width beyond it"
        if row.farthest is not None
        else "all within half a step of it"
    )
    between = ", between layers" if row.between else ""
    return (
        plain(row.name) + between, f"{three(row.clip_min)} to {three(row.clip_max)}", small_share(row.outside),
        small_share(row.outside_calibration), reach,
    )  # fmt: skip


def setters_finding(found: RangeSetters) -> str:
    """Which samples set the ranges, in words."""
    if not found.tensors:
        return "No tensor has a range from calibration data"
    if not found.samples:
        return "No range is set by a single sample"
    first = found.samples[0]
    ends = sum(end is not None for row in found.tensors for end in (row.low, row.high))
    text = f"Sample {first.sample} sets {first.limits} of {plural(ends, 'end')} of the observed ranges"
    widest = max(found.samples, key=lambda one: one.narrower)
    if widest.narrower >= 0.1:
        who = "it" if widest.sample == first.sample else f"sample {widest.sample}"
        text += f"; without {who}, that of {shorten(widest.narrowest)} would be {share(widest.narrower)} narrower"
    return text
