"""What differs from group to group: ranges, the metric along numbered groups, calibration on some of them."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, decibel, metric_title, metric_value, share, small_share, three, times
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import CalibrationWay, GroupCalibration, GroupedTensor, GroupRanges, Metric, Subgroup, Subgroups
from qdebug.results.score import is_fraction

DRIFTS = 1.5
"""A range drifts where the widest group's is so many times the narrowest's."""
_STEEP = 30.0
"""A metric that differs by so much between groups is drawn on a logarithmic axis."""
_WRITTEN = 14
"""Columns that leave room for numbers in their cells."""
LEAST = 4
"""Numbered groups from which on there is a course to be drawn."""


def ranges_finding(found: GroupRanges) -> str:
    """Whose range changes most from group to group, in words."""
    if not found.tensors or not found.groups:
        return "The data name no two groups"
    most = max(found.tensors, key=lambda one: one.drift)
    moving = sum(one.drift >= DRIFTS for one in found.tensors)
    kinds = "classes" if found.key == "class" else "groups"
    if not moving:
        return f"Ranges hardly change between {kinds}: at most {times(most.drift)}, in {shorten(most.name)}"
    widest = max(range(len(found.groups)), key=lambda at: most.groups[at].width)
    narrowest = min(range(len(found.groups)), key=lambda at: most.groups[at].width)
    return (
        f"{moving} of {plural(len(found.tensors), 'range')} change by {times(DRIFTS)} or more between {kinds}; that of "
        f"{shorten(most.name)} is {times(most.drift)} as wide in {shorten(found.groups[widest])} as in "
        f"{shorten(found.groups[narrowest])}"
    )


def range_map(found: GroupRanges, *, dark: bool) -> go.Figure:
    """Layers by groups: the width of each group's range as a share of what all groups together need."""
    figure = template.blank(plain(ranges_finding(found)), dark=dark, height=64 + 19 * len(found.tensors))
    names = [f"{one.name}\u200b{at}" for at, one in enumerate(found.tensors)]
    whole = [_span(one) or 1.0 for one in found.tensors]
    figure.add_heatmap(
        x=_columns(found), y=names, zmin=0, zmax=100, xgap=1, ygap=1,
        z=[[100 * part.width / all_ for part in one.groups]
           for one, all_ in zip(found.tensors, whole, strict=True)],
        colorscale=_scale(dark),
        colorbar={"title": {"text": "% of the width for all", "side": "right", "font": {"size": 11}}, "thickness": 10,
                  "tickfont": {"size": 10}, "outlinewidth": 0},
        customdata=[[[plain(one.name), f"{three(part.low)} to {three(part.high)}",
                      share(part.width / all_), plural(count, "sample")]
                     for part, count in zip(one.groups, found.samples, strict=True)]
                    for one, all_ in zip(found.tensors, whole, strict=True)],
        hovertemplate=f"<b>%{{customdata[0]}}</b>, {found.key} %{{x}}<br>%{{customdata[1]}}: %{{customdata[2]}} of the "
                      "width that all need<br>%{customdata[3]}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        xaxis={"type": "category", "title": {"text": found.key}, "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": names,
               "ticktext": [plain(shorten(one.name, 24)) for one in found.tensors],
               "tickfont": {"family": template.MONO, "size": 11, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _columns(found: GroupRanges) -> list[str]:
    """What the groups are called on an axis, which reads tags; long names are shortened where they stay different."""
    short = [plain(shorten(name)) for name in found.groups]
    return short if len(set(short)) == len(short) else [plain(name) for name in found.groups]


def _scale(dark: bool) -> list[tuple[float, str]]:
    """From the ground to the accent: wide is dark on light ground, and bright on dark."""
    return [(0.0, colours.PANEL.on(dark)), (1.0, colours.ACCENT.on(dark))]


def _span(one: GroupedTensor) -> float:
    return max(0.0, *(part.high for part in one.groups)) - min(0.0, *(part.low for part in one.groups))


def range_lines_finding(found: GroupRanges, one: GroupedTensor) -> str:
    """One layer's ranges, in words."""
    if one.clip_min is None or one.clip_max is None:
        return f"{shorten(one.name)}: the widest range is {times(one.drift)} the narrowest"
    out = [(part.outside or 0.0, name) for part, name in zip(one.groups, found.groups, strict=True)]
    worst = max(out)
    fill = min(part.width for part in one.groups) / ((one.clip_max - one.clip_min) or 1.0)
    text = f"{shorten(one.name)}: the narrowest {found.key} fills {share(fill)} of the calibrated range"
    return f"{text}; {small_share(worst[0])} of {shorten(worst[1])} leave it" if worst[0] else text


def range_lines(found: GroupRanges, name: str, *, dark: bool, height: int = 300) -> go.Figure:
    """One layer's smallest and largest value in each group, the inner 99.8 % as a band, the calibrated range dotted."""
    one = next(row for row in found.tensors if row.name == name)
    figure = template.blank(plain(range_lines_finding(found, one)), dark=dark, height=height)
    x = _columns(found)
    figure.add_scatter(
        x=[*x, *reversed(x)], y=[*(p.inner_high for p in one.groups), *(p.inner_low for p in reversed(one.groups))],
        fill="toself", mode="lines", line={"width": 0}, fillcolor=colours.ROUNDING.on(dark), opacity=0.3,
        hoverinfo="skip",
    )  # fmt: skip
    said = [
        [f"{three(part.low)} to {three(part.high)}", f"{three(part.inner_low)} to {three(part.inner_high)}",
         three(part.std), "no calibrated range" if part.outside is None else
         f"{small_share(part.outside)} outside the calibrated range"]
        for part in one.groups
    ]  # fmt: skip
    for values in ([part.high for part in one.groups], [part.low for part in one.groups]):
        figure.add_scatter(
            x=x, y=values, mode="lines+markers", line={"color": colours.ACCENT.on(dark), "width": 2},
            marker={"size": 5}, customdata=said,
            hovertemplate=f"<b>{found.key} %{{x}}</b><br>%{{customdata[0]}}<br>inner 99.8 %: %{{customdata[1]}}<br>"
                          "standard deviation %{customdata[2]}<br>%{customdata[3]}<extra></extra>",
        )  # fmt: skip
    for limit in (one.clip_min, one.clip_max):
        if limit is not None:
            figure.add_hline(y=limit, line={"color": colours.CLIPPING.on(dark), "width": 1.5, "dash": "dot"})
    figure.update_layout(
        xaxis={"type": "category", "title": {"text": found.key}, "showgrid": False},
        yaxis={"title": {"text": "values of the layer's input"}, "nticks": 7},
    )  # fmt: skip
    return figure


def numbered(rows: tuple[Subgroup, ...]) -> list[tuple[float, Subgroup]]:
    """The groups in the order of their numbers; none where a name is no number, or where they are few."""
    found: list[tuple[float, Subgroup]] = []
    for row in rows:
        if row.key == "group":
            try:
                found.append((float(row.name), row))
            except ValueError:
                return []
    return sorted(found, key=lambda pair: pair[0]) if len(found) >= LEAST else []


def course_finding(metric: Metric, rows: list[tuple[float, Subgroup]]) -> str:
    """Where along the groups most is lost, in words: by the output where that is known, else by the metric."""
    known = [(row.output_db, row.name) for _, row in rows if row.output_db is not None]
    if known:
        (low, worst), (high, best) = min(known), max(known)
        if high - low < 1.0:
            return f"The output keeps {decibel(low)} to {decibel(high)}{NBSP}dB in every group"
        return f"The output keeps {decibel(low)}{NBSP}dB in group {worst}, {decibel(high)} in {best}"
    sign = 1.0 if metric.higher_is_better else -1.0
    worst_row = min((row for _, row in rows), key=lambda row: sign * row.delta)
    before, after = (metric_value(metric.name, value) for value in (worst_row.float_, worst_row.quantized))
    return f"Group {worst_row.name} changes most, from {before} to {after} in {metric_title(metric.name)}"


def group_course(found: Subgroups, *, dark: bool) -> go.Figure:
    """The metric along numbered groups, float and quantized, and below it the output's SQNR where that is known."""
    rows, metric = numbered(found.rows), found.overall
    outputs = [row.output_db for _, row in rows]
    deep = any(value is not None for value in outputs)
    figure = template.blank(plain(course_finding(metric, rows)), dark=dark, height=400 if deep else 260)
    x = [at for at, _ in rows]
    unit = 100.0 if is_fraction(metric.name) else 1.0
    lines = (
        ("float", [row.float_ for _, row in rows], colours.MUTED, 1.5),
        ("quantized", [row.quantized for _, row in rows], colours.ACCENT, 2.5),
    )
    said = [
        [metric_value(metric.name, row.float_), metric_value(metric.name, row.quantized), plural(row.n, "sample"),
         "" if row.output_db is None else f"<br>output SQNR {decibel(row.output_db)}{NBSP}dB"]
        for _, row in rows
    ]  # fmt: skip
    for name, values, tone, width in lines:
        figure.add_scatter(
            name=name, x=x, y=[unit * value for value in values], mode="lines+markers",
            line={"color": tone.on(dark), "width": width}, marker={"size": 5}, customdata=said,
            hovertemplate="<b>group %{x}</b>, %{customdata[2]}<br>float %{customdata[0]}, quantized %{customdata[1]}"
                          "%{customdata[3]}<extra></extra>",
        )  # fmt: skip
    values = [value for _, each, _, _ in lines for value in each]
    steep = min(values) > 0 and max(values) > _STEEP * min(values)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "group"}, "showgrid": False, "tickvals": x,
               "ticktext": [plain(row.name) for _, row in rows], "anchor": "y2" if deep else "y"},
        yaxis={"title": {"text": metric_title(metric.name) + (", %" if unit > 1 else "")}, "nticks": 6,
               "type": "log" if steep else "linear", "dtick": 1 if steep else None,
               "domain": [0.46, 1.0] if deep else [0.0, 1.0]},
    )  # fmt: skip
    if deep:
        figure.update_layout(yaxis2=figure["layout"]["yaxis"].to_plotly_json())
        figure.add_scatter(
            x=x, y=outputs, yaxis="y2", mode="lines+markers", showlegend=False, customdata=said,
            line={"color": colours.INK.on(dark), "width": 2}, marker={"size": 5},
            hovertemplate="<b>group %{x}</b>%{customdata[3]}<extra></extra>",
        )  # fmt: skip
        figure.update_layout(yaxis2={"title": {"text": "output SQNR, dB"}, "type": "linear", "dtick": None,
                                     "nticks": 5, "domain": [0.0, 0.36]})  # fmt: skip
    return figure


def calibration_finding(found: GroupCalibration) -> str:
    """What calibrating on one group alone costs, in words."""
    if not found.ways:
        return "Nothing was calibrated by group"
    alone = [way for way in found.ways if way.name.startswith("only ")]
    sign = -1.0 if found.higher_is_better else 1.0
    worst, best = max(alone, key=lambda way: sign * way.metric), min(alone, key=lambda way: sign * way.metric)
    even = next(way for way in found.ways if way.name == "uniform")

    def value(number: float) -> str:
        return metric_value(found.metric, number) if found.higher_is_better else f"{number:.4g}"

    return (
        f"Calibrated on {way_words(found, worst)}, {metric_title(found.metric)} is {value(worst.metric)}, on "
        f"{way_words(found, best)} {value(best.metric)}; as many samples of all give {value(even.metric)}, float has "
        f"{value(found.float_value)}"
    )


def way_words(found: GroupCalibration, way: CalibrationWay) -> str:
    """A choice of samples in words."""
    if way.name.startswith("only "):
        return f"{found.key} {way.name.removeprefix('only ')} alone"
    many = f"{way.samples:,}"
    known = {
        "all": f"all {many}",
        "uniform": f"{many}, evenly",
        "skewed": f"{many}, skewed",
        "chosen": f"{many} chosen",
    }
    return known.get(way.name, way.name)


def calibration_map(found: GroupCalibration, *, dark: bool) -> go.Figure:
    """Choices of calibration samples by groups of the evaluation data: the metric against the float model's.

    Metrics that are better when higher as the loss (shares in points), others as multiples of the float value.
    """
    figure = template.blank(plain(calibration_finding(found)), dark=dark, height=84 + 24 * len(found.ways))
    columns = ["all", *found.evaluated]
    before = [found.float_value, *found.float_by_group]
    rows = [f"{way_words(found, way)}\u200b{at}" for at, way in enumerate(found.ways)]
    values = [[way.metric, *way.by_group] for way in found.ways]
    z = [[_harm(found, now, then) for now, then in zip(row, before, strict=True)] for row in values]
    known = [value for row in z for value in row]
    figure.add_heatmap(
        x=columns, y=rows, z=z, xgap=1, ygap=1, zmin=0.0, zmax=max([*known, 1e-9]), colorscale=_warm(dark),
        showscale=False, text=[[_said(found, now, then) for now, then in zip(row, before, strict=True)]
                               for row in values],
        texttemplate="%{text}" if len(columns) <= _WRITTEN else "", textfont={"size": 10},
        customdata=[[[metric_value(found.metric, now), metric_value(found.metric, then)]
                     for now, then in zip(row, before, strict=True)] for row in values],
        hovertemplate="calibrated on <b>%{y}</b><br>evaluated on %{x}: %{customdata[0]}, float %{customdata[1]}"
                      "<extra></extra>",
    )  # fmt: skip
    what = f"what {metric_title(found.metric)} loses{', in points' if is_fraction(found.metric) else ''}"
    if not found.higher_is_better:
        what = "multiples of the float model's error"
    figure.update_layout(
        xaxis={"type": "category", "title": {"text": f"evaluated on {found.key}; {what}"}, "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": rows,
               "ticktext": [plain(way_words(found, way)) for way in found.ways],
               "tickfont": {"size": 11, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _warm(dark: bool) -> list[tuple[float, str]]:
    return [(0.0, colours.PANEL.on(dark)), (1.0, colours.TROUBLE.on(dark))]


def _harm(found: GroupCalibration, now: float, then: float) -> float:
    """What a colour stands for: the loss, or the logarithm of a multiple; 0 for a gain."""
    if found.higher_is_better:
        return max(0.0, then - now)
    return math.log2(max(1.0, now / then)) if then > 0 and math.isfinite(now) else 0.0


def _said(found: GroupCalibration, now: float, then: float) -> str:
    if found.higher_is_better:
        return three((100 if is_fraction(found.metric) else 1) * (then - now))
    ratio = now / then if then > 0 else math.inf
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2f}×"
