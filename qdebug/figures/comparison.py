"""Two recipes side by side: the verdict in words, and what each class and group gains or loses."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import (
    NBSP,
    NO_ERROR_DB,
    count,
    metric_change,
    metric_title,
    metric_value,
    percent,
    points,
    size,
    three,
)
from qdebug.figures.subgroups import p_words, towards_middle
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import Comparison, FlippedSample, Flips, GroupDifference, PairedDifference
from qdebug.results.comparison import Direction, Reference, Unit
from qdebug.results.score import is_fraction

SURE = 0.05
NEAR = 1e-3
"""Sizes that differ by less than this part are called the same."""
CHANGED = {"sample": "answers", "token": "tokens", "image": "images", "output": "outputs"}
"""What changes, in the plural."""


def change_words(found: PairedDifference, value: float | None = None) -> str:
    """A difference with its sign and unit: ``+2.04 points``, ``−3.10 dB``."""
    value = found.delta if value is None else value
    if found.name == "sqnr_db":
        return f"{three(value, signed=True)}{NBSP}dB"
    text, unit = metric_change(found.name, value)
    return f"{_plus(text) if is_fraction(found.name) else text}{NBSP}{unit}".rstrip(NBSP)


def _plus(text: str) -> str:
    return text if text[:1] in ("−", "+") or text == "0" else f"+{text}"


def interval_words(found: PairedDifference) -> str:
    """The interval of the difference, without its unit: ``−1.20 to 0.40``."""
    scale = points if is_fraction(found.name) else three
    return " to ".join(scale(end, signed=True) for end in found.ci95)


def is_told_apart(found: PairedDifference) -> bool:
    """Whether the difference is more than chance explains: by its test, or by its interval where there is none."""
    if found.p is not None:
        return found.p <= SURE
    return found.ci95[0] > 0 or found.ci95[1] < 0


def comparison_finding(found: Comparison) -> str:
    """Which of the two does better, by how much, and what it takes, in one sentence without a full stop."""
    gap, title = found.difference, metric_title(found.difference.name)
    if found.is_same:
        return f"A and B are the same recipe: {title} {metric_value(gap.name, gap.b)}"
    if not gap.changed:
        value = metric_value(gap.name, gap.b)
        return f"A and B answer alike on all {count(gap.n)} samples, {title} {value}; {sizes(found)}"
    values = f"{metric_value(gap.name, gap.b)} against {metric_value(gap.name, gap.a)}"
    if gap.name == "sqnr_db" and max(gap.a, gap.b) >= NO_ERROR_DB:  # no number of decibels lies between
        return f"B is {'better' if gap.gain > 0 else 'worse'}: {title} {values}; {sizes(found)}"
    change = f"{change_words(gap)} (95{NBSP}% interval {interval_words(gap)})"
    if not is_told_apart(gap):
        return f"B cannot be told apart from A: {title} {values}, {change}; {sizes(found)}"
    better = "better" if gap.gain > 0 else "worse"
    return f"B is {better}: {title} {values}, {change}; {sizes(found)}"


def is_worse(found: Comparison) -> bool:
    """Whether B loses more than chance explains."""
    return bool(found.difference.changed) and is_told_apart(found.difference) and found.difference.gain < 0


def sizes(found: Comparison) -> str:
    """How large B is beside A."""
    a, b = found.a.size.quantized_bytes, found.b.size.quantized_bytes
    if abs(a - b) <= NEAR * max(a, b):
        return f"both take {size(b)}"
    ratio = max(a, b) / max(1, min(a, b))
    word = "smaller" if b < a else "larger"
    by = f"{three(ratio)}×" if ratio >= 1.5 else percent(abs(b - a) / max(1, a))
    return f"B is {by} {word}"


def layers_finding(found: Comparison) -> str:
    """How many layers the recipes treat differently."""
    total = found.alike + len(found.layers)
    if not found.layers:
        return f"All {plural(total, 'layer')} are treated alike"
    if not found.alike:
        return f"All {plural(total, 'layer')} are treated differently" if total > 1 else "The one layer differs"
    return f"{len(found.layers)} of {plural(total, 'layer')} {'differs' if len(found.layers) == 1 else 'differ'}"


def flips_finding(counts: tuple[int, int, int], unit: Unit, reference: Reference, total: int) -> str:
    """How many answers changed, and which way.

    Args:
        counts: lost, gained and other.
        unit: what changed.
        reference: what counts as right.
        total: out of how many; of images and outputs samples.
    """
    what, changed = CHANGED[unit], sum(counts)
    if not changed:
        return f"None of {count(total)} {what} changed"
    lead = f"{count(changed)} of {count(total)} {what} {'changed' if unit != 'output' else 'moved'}"
    words = [f"{count(number)} {direction_words(way, unit, reference)}"
             for number, way in zip(counts, ("lost", "gained", "other"), strict=True) if number]  # fmt: skip
    return f"{lead}: {', '.join(words)}"


def changes_finding(who: str, found: Flips) -> str:
    """How many answers something changes from float, and which way.

    Args:
        who: what changes them, as the sentence begins.
        found: the changes, A being the float model.
    """
    changed, total = sum(found.counts), f"{count(found.predictions)} {CHANGED[found.unit]}"
    verb = "moves" if found.unit == "output" else "changes"
    if not changed:
        return f"{who} {verb} none of {total}"
    said = [f"{count(number)} {direction_words(way, found.unit, found.reference, from_float=True)}"
            for number, way in zip(found.counts, ("lost", "gained", "other"), strict=True) if number]  # fmt: skip
    lead = f"{who} {verb} {count(changed)} of {total}"
    away = found.reference == "float" and found.unit in ("sample", "token")  # then each change is away from float
    return lead if away else f"{lead}: {', '.join(said)}"


def direction_words(direction: Direction, unit: Unit, reference: Reference, *, from_float: bool = False) -> str:
    """What a change is, in a few words; with ``from_float`` A is the float model and B what became of it."""
    if from_float and unit in ("image", "output"):
        said = {"lost": "worse than in float", "gained": "better than in float", "other": "neither better nor worse"}
    elif from_float and reference == "labels":
        said = {"lost": "right only in float", "gained": "right only quantized", "other": "wrong in both"}
    elif from_float:
        return "unlike float"
    elif unit in ("image", "output"):
        said = {"lost": "worse in B", "gained": "better in B", "other": "neither better nor worse"}
    elif reference == "labels":
        said = {"lost": "right only in A", "gained": "right only in B", "other": "wrong in both"}
    else:
        said = {"lost": "as in float only in A", "gained": "as in float only in B", "other": "unlike float in both"}
    return said[direction]


def margin_words(row: FlippedSample) -> tuple[str, str]:
    """How sure each side is of its answer, or how far off, as figures."""
    if row.moved is not None:
        return percent(row.error_a), percent(row.error_b)
    return three(row.margin_a), three(row.margin_b)


def groups_finding(found: Comparison) -> str:
    """Which class or group gained or lost more than chance explains, in words."""
    rows = found.groups
    if not rows:
        return "The data name no two classes or groups"
    among = " or ".join(dict.fromkeys(row.key for row in rows))
    hit = [row for row in furthest_first(rows) if row.significant]
    tested = any(row.difference.p is not None for row in rows)
    if not tested and any(row.difference.changed for row in rows):
        first = furthest_first(rows)[0]
        whole = change_words(found.difference)
        return f"{_name(first)} changed most, {change_words(first.difference)}; all data {whole}"
    if not hit:
        return f"No {among} changed by more than chance explains"
    first = hit[0]
    verb = "gained" if first.difference.gain > 0 else "lost"
    rest = f", {len(hit)} of {len(rows)} changed by more than chance explains" if len(hit) > 1 else (
        f", more than chance explains among {len(rows)}")  # fmt: skip
    return f"{_name(first)} {verb} most, {change_words(first.difference)}{rest}"


def furthest_first(rows: Sequence[GroupDifference]) -> list[GroupDifference]:
    """The rows, the largest change first."""
    return sorted(rows, key=lambda row: -abs(row.difference.delta))


def _name(row: GroupDifference) -> str:
    return f"{row.key.capitalize()} {shorten(row.name)}"


def group_differences(found: Comparison, *, dark: bool, most: int = 20) -> go.Figure:
    """What each class and group gains or loses from A to B, with its paired interval, worst first.

    Args:
        found: the comparison; it has groups.
        dark: whether it stands on dark ground.
        most: rows that are drawn, those that changed most.
    """
    rows = sorted(furthest_first(found.groups)[:most], key=lambda row: row.difference.gain)
    unit = 100.0 if is_fraction(found.difference.name) else 1.0
    figure = template.blank(plain(groups_finding(found)), dark=dark, height=64 + 21 * len(rows))
    names = [row.called for row in rows]
    tones = [_tone(row, dark) for row in rows]
    drawn = [_ends(row, rows, unit) for row in rows]
    for name, ends, tone in zip(names, drawn, tones, strict=True):
        figure.add_scatter(x=list(ends), y=[name, name], mode="lines", line={"color": tone, "width": 2},
                           hoverinfo="skip")  # fmt: skip
    figure.add_scatter(
        x=[unit * row.difference.delta for row in rows], y=names, mode="markers",
        marker={"size": 9, "color": tones, "symbol": [_symbol(row) for row in rows]},
        customdata=[_told(row) for row in rows],
        hovertemplate="<b>%{customdata[0]}</b>, %{customdata[1]}<br>A %{customdata[2]}, B %{customdata[3]}<br>"
                      "B − A %{customdata[4]} (95 % interval %{customdata[5]})<br>%{customdata[6]}<br>"
                      "adjusted p %{customdata[7]}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": colours.MUTED.on(dark), "width": 1})
    whole = unit * found.difference.delta
    ends = [0.0, whole, *(end for pair in drawn for end in pair)]
    figure.add_vline(x=whole, line={"color": colours.ACCENT.on(dark), "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=whole, y=1.0, yref="paper", yanchor="bottom", showarrow=False, xanchor=towards_middle(whole, ends),
        text=f"all data {change_words(found.difference)}", font={"size": 11, "color": colours.ACCENT.on(dark)},
    )  # fmt: skip
    room = 0.04 * (max(ends) - min(ends) or 1.0)
    words = {100.0: ", points"}.get(unit, ", dB" if found.difference.name == "sqnr_db" else "")
    figure.update_layout(
        margin={"l": 8, "r": 12, "t": 24, "b": 8, "pad": 2},
        xaxis={"title": {"text": f"{metric_title(found.difference.name)} of B minus A{words}, with its 95 % interval"},
               "range": [min(ends) - room, max(ends) + room], "nticks": 6},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": names,
               "ticktext": [plain(shorten(name)) for name in names],
               "tickfont": {"size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _tone(row: GroupDifference, dark: bool) -> str:
    if not row.significant:
        return colours.PLAIN.on(dark)
    return (colours.TROUBLE if row.difference.gain < 0 else colours.INK).on(dark)


def _symbol(row: GroupDifference) -> str:
    return "diamond" if row.significant and row.difference.gain < 0 else "circle"


def _ends(row: GroupDifference, rows: Sequence[GroupDifference], unit: float) -> tuple[float, float]:
    """The ends of a row's interval. One of few samples may be endless: it ends where the axis should."""
    most = 1.0 if unit > 1 else 4.0 * max(abs(one.difference.delta) for one in rows) or 1.0
    low, high = row.difference.ci95
    return unit * max(low, -most), unit * min(high, most)


def _told(row: GroupDifference) -> list[str]:
    gap = row.difference
    ways = f"{count(gap.lost)} lost, {count(gap.gained)} gained of {count(gap.predictions)}"
    return [
        plain(row.called), plural(gap.n, "sample"), metric_value(gap.name, gap.a), metric_value(gap.name, gap.b),
        change_words(gap), interval_words(gap), ways, p_words(gap.p),
    ]  # fmt: skip
