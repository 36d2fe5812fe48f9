"""Which classes and groups pay for quantization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import count, metric_change, metric_title, metric_value, three
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import Metric, Subgroup, Subgroups, worst_group
from qdebug.results.subgroups import loss


def subgroups_finding(metric: Metric, rows: Sequence[Subgroup]) -> str:
    """Whether any class or group lost more than chance explains, and which most, in words.

    Args:
        metric: that of all data.
        rows: the classes and groups.
    """
    if not rows:
        return "The data name no two classes or groups"
    among = among_words(rows)
    if any(row.p is None for row in rows):
        worst = worst_group(rows, metric.higher_is_better)
        if worst is None:
            return f"No {among} changed"
        return f"{_name(worst)} changed most, {_change(worst, metric)}, all data {_all(metric)}"
    worst = worst_group(rows, metric.higher_is_better, significant=True)
    if worst is None:
        most = worst_group(rows, metric.higher_is_better)
        least = f"; {most.called} lost most, {_lost(most, metric)}{_between(most, metric)}" if most is not None else ""
        return f"No {among} lost more than chance explains{least}"
    hit = [row for row in rows if row.significant and loss(row, metric.higher_is_better) > 0]
    rest = [row.called for row in hit if row is not worst]
    others = f"; so did {shorten(rest[0]) if len(rest) == 1 else f'{len(rest)} others'}" if rest else ""
    return (
        f"{_name(worst)} lost {_lost(worst, metric)}{_between(worst, metric)}, more than chance explains among "
        f"{len(rows)} {kinds(rows)}{others}; all data {_all(metric)}"
    )


def significance_finding(metric: Metric, rows: Sequence[Subgroup]) -> str:
    """How many classes and groups lost more than chance explains, in words."""
    if any(row.p is None for row in rows):
        return subgroups_finding(metric, rows)
    hit = sum(is_hit(row, metric) for row in rows)
    if not hit:
        return f"No {among_words(rows)} lost more than chance explains"
    return f"{hit} of {len(rows)} {kinds(rows)} lost more than chance explains"


def _name(row: Subgroup) -> str:
    return f"{row.key.capitalize()} {shorten(row.name)}"


def kinds(rows: Sequence[Subgroup]) -> str:
    """``classes``, ``groups`` or ``classes and groups``."""
    many = {"class": "classes", "group": "groups"}
    return " and ".join(many[key] for key in dict.fromkeys(row.key for row in rows))


def among_words(rows: Sequence[Subgroup]) -> str:
    """``class``, ``group`` or ``class or group``."""
    return " or ".join(dict.fromkeys(row.key for row in rows))


def _lost(row: Subgroup, metric: Metric) -> str:
    text, unit = metric_change(metric.name, abs(row.delta))
    if unit:
        return f"{text.lstrip('+')} {unit}"
    return f"{text.lstrip('+')} in {metric_title(metric.name)}"


def _between(row: Subgroup, metric: Metric) -> str:
    """The interval of a change, for behind it."""
    low, high = (metric_change(metric.name, end)[0] for end in row.ci95)
    return f" (95 %: {low} to {high})"


def _change(row: Subgroup, metric: Metric) -> str:
    if metric.name == "sqnr_db":
        return metric_value(metric.name, row.quantized)
    return " ".join(metric_change(metric.name, row.delta)).strip()


def _all(metric: Metric) -> str:
    if metric.name == "sqnr_db":
        return metric_value(metric.name, metric.quantized)
    return " ".join(metric_change(metric.name, metric.delta)).strip()


def worst_first(metric: Metric, rows: Sequence[Subgroup]) -> list[Subgroup]:
    """The rows, the largest loss first."""
    return sorted(rows, key=lambda row: -loss(row, metric.higher_is_better))


def is_hit(row: Subgroup, metric: Metric) -> bool:
    """Whether a row lost more than chance explains."""
    return row.significant and loss(row, metric.higher_is_better) > 0


def p_words(p: float | None) -> str:
    """An adjusted p: ``0.031``, ``<0.001``, a dash where there is none."""
    return "<0.001" if p is not None and p < 0.001 else three(p) if p is None or p < 0.995 else "1"


def subgroup_changes(found: Subgroups, *, dark: bool, most: int = 20) -> go.Figure:
    """The change of each class and group with its interval, the largest loss first, beside that of all data.

    Args:
        found: the rows.
        dark: whether it stands on dark ground.
        most: rows that are drawn; the table has all.
    """
    metric, ordered = found.overall, worst_first(found.overall, found.rows)
    rows = ordered[:most]
    figure = template.blank(plain(significance_finding(metric, found.rows)), dark=dark, height=64 + 21 * len(rows))
    names = [f"{row.key} {row.name}" for row in rows]
    unit = 100.0 if metric_change(metric.name, 0.0)[1] else 1.0
    tones = [(colours.TROUBLE if is_hit(row, metric) else colours.PLAIN).on(dark) for row in rows]
    drawn = _drawn(rows, unit)
    for name, (low, high), tone in zip(names, drawn, tones, strict=True):
        figure.add_scatter(
            x=[low, high], y=[name, name], mode="lines", line={"color": tone, "width": 2}, hoverinfo="skip"
        )
    figure.add_scatter(
        x=[unit * row.delta for row in rows], y=names, mode="markers",
        marker={"size": 9, "color": tones, "symbol": ["diamond" if is_hit(row, metric) else "circle" for row in rows]},
        customdata=[_told(row, metric) for row in rows],
        hovertemplate="<b>%{customdata[0]}</b>, %{customdata[1]}<br>%{customdata[2]} float, %{customdata[3]} quantized"
                      "<br>change %{customdata[4]} (95 % interval %{customdata[5]} to %{customdata[6]})<br>"
                      "%{customdata[7]}<br>adjusted p %{customdata[8]}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": colours.MUTED.on(dark), "width": 1})
    ends = [0.0, *(end for pair in drawn for end in pair)]
    if metric.name != "sqnr_db":
        figure.add_vline(x=unit * metric.delta, line={"color": colours.ACCENT.on(dark), "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=unit * metric.delta, y=1.0, yref="paper", yanchor="bottom", showarrow=False,
            xanchor=towards_middle(unit * metric.delta, ends),
            text=f"all data {_all(metric)}", font={"size": 11, "color": colours.ACCENT.on(dark)},
        )  # fmt: skip
    room = 0.04 * (max(ends) - min(ends) or 1.0)
    axis = metric_title(metric.name)
    figure.update_layout(
        margin={"l": 8, "r": 12, "t": 24, "b": 8, "pad": 2},
        xaxis={"title": {"text": f"change of {axis}{', points' if unit > 1 else ''}, with its 95 % interval"},
               "range": [min(ends) - room, max(ends) + room], "nticks": 6},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": names,
               "ticktext": [plain(shorten(name)) for name in names], "tickfont": {"size": 12,
                                                                                 "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def towards_middle(x: float, ends: Sequence[float]) -> Literal["left", "right"]:
    """The side at which words beside ``x`` begin, so that they lie within an axis between these ends."""
    return "left" if x < (min(ends) + max(ends)) / 2 else "right"


def _drawn(rows: Sequence[Subgroup], unit: float) -> list[tuple[float, float]]:
    """The ends of the rows' intervals. Those of perplexities may be endless: they end where the axis should."""
    most = 1.0 if unit > 1 else 4.0 * max((abs(row.delta) for row in rows), default=0.0) or 1.0
    return [(unit * max(row.ci95[0], -most), unit * min(row.ci95[1], most)) for row in rows]


def _told(row: Subgroup, metric: Metric) -> list[str]:
    low, high = (metric_change(metric.name, end)[0] for end in row.ci95)
    counted = f"{count(row.flips)} of {count(row.predictions)} {metric.counted} changed"
    return [
        plain(row.called), plural(row.n, "sample"), metric_value(metric.name, row.float_),
        metric_value(metric.name, row.quantized), _change(row, metric), low, high, counted, p_words(row.p),
    ]  # fmt: skip
