"""Where a runtime spends its time, float against quantized."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NONE, duration, share, times
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import Latency, LayerTime


def layers_finding(latency: Latency) -> str:
    """Which nodes gain and which lose, in words."""
    both = [one for one in latency.layers if one.float_ is not None and one.quantized is not None]
    if not both:
        return "No node is the same in both models"
    slower = [one for one in both if (one.quantized or 0.0) > (one.float_ or 0.0)]
    first = max(both, key=lambda one: one.quantized or 0.0)
    whole = sum(one.quantized or 0.0 for one in latency.layers) or 1.0
    part = f"{shorten(first.name)} takes {share((first.quantized or 0.0) / whole)} of the quantized time"
    if not slower:
        return f"Every node that both models have gains; {part}"
    return f"{len(slower)} of {plural(len(both), 'node')} that both models have {_verb(slower)} slower; {part}"


def _verb(slower: list[LayerTime]) -> str:
    return "is" if len(slower) == 1 else "are"


def latency_bars(latency: Latency, format_: str, *, dark: bool, most: int = 16) -> go.Figure:
    """Two bars per node, float and quantized, slowest first.

    Args:
        latency: the times.
        format_: the label of the format that most weights have, which gives the quantized bars their colour.
        dark: whether it stands on dark ground.
        most: nodes that are drawn one by one; the others are summed up in one pair.
    """
    rows = sorted(latency.layers, key=lambda one: -max(one.float_ or 0.0, one.quantized or 0.0))
    shown = [(one.name, one.kernel, one.float_, one.quantized) for one in rows[:most]]
    if rows[most:]:
        label = f"{len(rows) - most} others"
        shown.append((label, "", _sum(one.float_ for one in rows[most:]), _sum(one.quantized for one in rows[most:])))
    figure = template.blank(plain(layers_finding(latency)), dark=dark, height=70 + 30 * len(shown))
    longest = max((max(float_ or 0.0, quantized or 0.0) for *_, float_, quantized in shown), default=0.0)
    scale, unit = (1e6, "µs") if longest < 1e-3 else (1e3, "ms")
    tones = (
        ("float", [one[2] for one in shown], colours.MARK["p32"].on(dark)),
        ("quantized", [one[3] for one in shown], colours.of_format(format_, dark)),
    )
    for name, lengths, tone in tones:
        figure.add_bar(
            orientation="h", name=name, y=[one[0] for one in shown], x=[(one or 0.0) * scale for one in lengths],
            marker={"color": tone, "line": {"width": 0}},
            customdata=[[plain(one[0]), plain(one[1]), *_said(one[2], one[3])] for one in shown],
            hovertemplate="<b>%{customdata[0]}</b> %{customdata[1]}<br>float %{customdata[2]}, quantized "
                          "%{customdata[3]}<br>%{customdata[4]}<extra></extra>",
        )  # fmt: skip
    keys = [one[0] for one in shown]
    figure.update_layout(
        barmode="group", bargap=0.34, bargroupgap=0.06, showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom",
                "font": {"size": 11, "color": colours.MUTED.on(dark)}, "itemclick": False, "itemdoubleclick": False},
        xaxis={"title": {"text": f"time of one run, {unit}"}, "rangemode": "tozero", "nticks": 6},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": keys,
               "ticktext": [plain(shorten(key)) for key in keys],
               "tickfont": {"family": template.MONO, "size": 11, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _sum(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None


def _said(float_: float | None, quantized: float | None) -> list[str]:
    pair = [NONE if value is None else duration(value) for value in (float_, quantized)]
    if not float_ or not quantized:
        return [*pair, "in one of the two models only"]
    ratio = quantized / float_
    return [*pair, f"{times(ratio)} as long" if ratio > 1 else f"{times(1 / ratio)} as fast"]
