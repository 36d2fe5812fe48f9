"""From the float metric to the quantized one, step by step: which layers, or which causes, the change is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.diagnosis import TITLES
from qdebug.figures.numbers import metric_change, metric_title, metric_value, share
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import Diagnosis, Metric, Shares
from qdebug.results.score import is_fraction

By = Literal["alone", "share"]
MOST_STEPS = 8
"""Steps that are drawn one by one; others are summed up."""
COLUMN = 58
"""Pixels at the right for the numbers."""
LEAST = 0.005
"""The part of the whole change that makes a layer worth a bar of its own."""
HOW: dict[By, str] = {
    "alone": "Measured: each bar is the change with that layer alone quantized, all others float. Such changes do not "
    "add up; the last step is what is left to the measured end.",
    "share": "An attribution, not a measurement: the measured change, shared out in proportion to the squared error of "
    "the output that each layer causes alone.",
}
"""What the bars are."""
BY_CAUSE = (
    "An attribution, not a measurement: the measured change, shared out in proportion to the squared errors of the "
    "tensors that each cause was found in."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One bar.

    Attributes:
        name: whom it stands for.
        change: of the metric, in its own unit.
        kind: one layer or cause, several summed up, or what is left over.
        layer: what a click opens; empty for nothing.
        format: the layer's weight format, which gives the bar its colour.
    """

    name: str
    change: float
    kind: Literal["one", "others", "rest"] = "one"
    layer: str = ""
    format: str = ""

    @property
    def lines(self) -> list[str]:
        """What stands at the axis: a layer's name is cut in its middle where it is long, words take two lines."""
        return [shorten(self.name, 26)] if self.name == self.layer else wrap(self.name, 24)


@dataclass(frozen=True, slots=True)
class Fall:
    """The way from the float metric to the quantized one; the steps add up to it.

    Attributes:
        metric: its name.
        start, end: the two values, both measured.
        steps: in the order in which they are drawn.
        finding: what it shows, in words.
    """

    metric: str
    start: float
    end: float
    steps: tuple[Step, ...]
    finding: str


def ways(metric: Metric, shares: Shares) -> tuple[By, ...]:
    """How the change can be taken apart; in no way where nothing was lost or the metric is a ratio in decibels.

    Layers alone count only where each was measured on all samples that the metric is of.
    """
    loss = -metric.delta if metric.higher_is_better else metric.delta
    if metric.name == "sqnr_db" or loss <= 0 or not any(row.share > 0 for row in shares.rows):
        return ()
    measured = shares.n == metric.n and all(row.metric is not None for row in shares.rows)
    return ("alone", "share") if measured else ("share",)


def layer_fall(metric: Metric, shares: Shares, formats: Mapping[str, str], by: By, most: int = MOST_STEPS) -> Fall:
    """The change of the metric, layer by layer.

    Args:
        metric: float and quantized.
        shares: each layer alone.
        formats: each layer's weight format.
        by: as :func:`ways` allows.
        most: layers drawn one by one.
    """
    changes: dict[str, float] = {}
    for row in shares.rows:
        alone = 0.0 if row.metric is None else row.metric - metric.float_
        changes[row.name] = alone if by == "alone" else row.share * metric.delta
    order = sorted(changes, key=lambda name: -abs(changes[name]))
    large = [name for name in order if abs(changes[name]) >= LEAST * abs(metric.delta)]
    shown = large[:most] or order[:1]
    steps = [Step(name, changes[name], layer=name, format=formats.get(name, "fp32")) for name in shown]
    others = len(order) - len(shown)
    if others:
        steps.append(Step(plural(others, "other"), sum(changes[name] for name in order[len(shown) :]), "others"))
    if by == "alone":
        steps.append(Step("together", metric.delta - sum(changes.values()), "rest"))
    return Fall(metric.name, metric.float_, metric.quantized, tuple(steps), _layer_finding(metric, steps, by))


def _layer_finding(metric: Metric, steps: Sequence[Step], by: By) -> str:
    first = steps[0]
    if by == "share":
        part = first.change / metric.delta
        whole = _amount(metric, metric.delta)
        return f"By its squared error, {shorten(first.name)} accounts for {share(part)} of {whole}"
    start = f"{shorten(first.name)} alone changes {metric_title(metric.name)} by {_signed(metric, first.change)}"
    rest = steps[-1].change
    if abs(rest) < 0.05 * abs(metric.delta):
        return f"{start}; what the layers do alone adds up to the whole"
    less = (rest > 0) == metric.higher_is_better
    return f"{start}; all together lose {_amount(metric, rest)} {'less' if less else 'more'} than one by one"


def _signed(metric: Metric, change: float) -> str:
    text, unit = metric_change(metric.name, change)
    return f"{text} {unit}".strip()


def _amount(metric: Metric, change: float) -> str:
    return _signed(metric, abs(change)).lstrip("+")


def cause_fall(found: Diagnosis) -> Fall | None:
    """The change of the metric, cause by cause; None where it is no loss, or no cause was found."""
    start, end = found.metric_float, found.metric_quantized
    if start is None or end is None or found.healthy or found.metric == "sqnr_db" or not found.causes or start == end:
        return None
    delta = end - start
    steps = [
        Step(TITLES.get(one.kind, one.kind), one.share * delta, layer=one.layer)
        for one in found.causes
    ]  # fmt: skip
    explained = min(1.0, sum(one.share for one in found.causes))
    if explained < 0.995:
        steps.append(Step("not explained", delta - sum(step.change for step in steps), "rest"))
    text = f"{plural(len(found.causes), 'cause')} account for {share(explained)} of the change"
    return Fall(found.metric, start, end, tuple(steps), text.replace("1 cause account", "1 cause accounts"))


def waterfall(fall: Fall, *, dark: bool) -> go.Figure:
    """Bars from the float metric down (or up) to the quantized one."""
    factor = 100 if is_fraction(fall.metric) else 1
    names = [f"float {metric_title(fall.metric)}", *(step.name for step in fall.steps), "quantized"]
    said = [[names[0]], *(step.lines for step in fall.steps), [names[-1]]]
    row = 23 if max(map(len, said)) == 1 else 36
    figure = template.blank(plain(fall.finding), dark=dark, height=52 + row * len(names))
    at, bases, lengths, fills, hovers, links = fall.start, [0.0], [fall.start], [colours.MARK["p32"].on(dark)], [], []
    hovers.append(f"measured: {metric_value(fall.metric, fall.start)}")
    for step in fall.steps:
        bases.append(at)
        lengths.append(step.change)
        fills.append(_colour(step, dark))
        at += step.change
        text, unit = metric_change(fall.metric, step.change)
        opens = f"<br>click to open {plain(step.layer)}" if step.layer else ""
        hovers.append(f"{text} {unit}".strip() + opens)
        links.append(factor * bases[-1])
    bases.append(0.0)
    lengths.append(fall.end)
    fills.append(colours.PLAIN.on(dark))
    hovers.append(f"measured: {metric_value(fall.metric, fall.end)}")
    links.append(factor * at)
    figure.add_bar(
        orientation="h", y=list(range(len(names))), base=[factor * base for base in bases],
        x=[factor * length for length in lengths], width=0.62, marker={"color": fills, "line": {"width": 0}},
        customdata=[
            [plain(name), text, layer]
            for name, text, layer in zip(names, hovers, ["", *(step.layer for step in fall.steps), ""], strict=True)
        ],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    for place, x in enumerate(links):
        figure.add_shape(
            type="line", x0=x, x1=x, y0=place + 0.31, y1=place + 0.69,
            line={"color": colours.MUTED.on(dark), "width": 1},
        )  # fmt: skip
    texts = [metric_value(fall.metric, fall.start), *(metric_change(fall.metric, one.change)[0] for one in fall.steps),
             metric_value(fall.metric, fall.end)]  # fmt: skip
    for place, text in enumerate(texts):  # a column of their own: beside the bars there may be no room
        figure.add_annotation(
            xref="paper", x=1, y=place, xanchor="right", xshift=COLUMN, showarrow=False, text=text,
            font={"size": 12, "color": colours.INK.on(dark)},
        )  # fmt: skip
    ends = [factor * value for base, length in zip(bases, lengths, strict=True) for value in (base, base + length)]
    low, high = min(0.0, *ends), max(ends)
    unit = ", %" if factor == 100 else ""
    figure.update_layout(
        margin={"r": COLUMN + 2},
        xaxis={"range": [low * 1.1, high * 1.02], "nticks": 6,
               "title": {"text": f"{metric_title(fall.metric)}{unit}"}},
        yaxis={"tickmode": "array", "tickvals": list(range(len(names))), "autorange": "reversed", "showgrid": False,
               "ticktext": ["<br>".join(map(plain, lines)) for lines in said],
               "tickfont": {"family": template.MONO, "size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _colour(step: Step, dark: bool) -> str:
    """A layer's precision; what stands for no layer has no colour."""
    if step.kind != "one" or not step.format:
        return (colours.PLAIN if step.kind != "one" else colours.MUTED).on(dark)
    return colours.of_format(step.format, dark)
