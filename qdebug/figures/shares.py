"""Which layers do the damage."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import metric_value, share, three
from qdebug.figures.text import plain, plural, shorten
from qdebug.results import Share, Shares


def shares_finding(shares: Shares) -> str:
    """What the bars show, in words."""
    first = shares.leading
    if not first:
        return "No layer changes the output"
    if len(first) > 0.5 * len(shares.rows) and len(shares.rows) > 3:
        return f"The error is spread out: the largest part, {shorten(first[0].name)}, makes {share(first[0].share)}"
    part = sum(row.share for row in first)
    verb = "causes" if len(first) == 1 else "cause"
    return f"{len(first)} of {plural(len(shares.rows), 'layer')} {verb} {share(part)} of the output error"


def worst_finding(shares: Shares) -> str:
    """Which layers lead, by name; how much of that is predicted, as long as any of it is."""
    left = sum(row.predicted for row in shares.rows)
    if left:
        done = len(shares.rows) - left
        seen = f"; {done} of {plural(len(shares.rows), 'layer')} measured" if done else ""
        return f"Predicted: {_worst(shares)}{seen}"
    return _worst(shares)


def _worst(shares: Shares) -> str:
    first = sorted((row for row in shares.rows if row.share > 0), key=lambda one: -one.share)[:2]
    if not first:
        return "No layer changes the output"
    if first[0].share < 0.2:
        return f"The error is spread out: {shorten(first[0].name)} has most of it, {share(first[0].share)}"
    rest = f", {shorten(first[1].name)} {share(first[1].share)}" if len(first) > 1 and first[1].share >= 0.05 else ""
    return f"{shorten(first[0].name)} alone causes {share(first[0].share)} of the output error{rest}"


def share_bars(
    shares: Shares,
    formats: dict[str, str],
    metric: str,
    *,
    dark: bool,
    sort: bool = True,
    most: int = 24,
    worst: tuple[str, ...] = (),
) -> go.Figure:
    """One bar per layer: its part of the squared output error when it alone is quantized.

    Args:
        shares: the parts.
        formats: each layer's weight format, which gives its bar the colour.
        metric: the task metric's name, for the hover.
        dark: whether it stands on dark ground.
        sort: worst first; otherwise in the order of the graph.
        most: bars that are drawn one by one; in sorted order the others are summed up in one.
        worst: the layers that the verdict names; they are marked.
    """
    rows = sorted(shares.rows, key=lambda one: -one.share) if sort else list(shares.rows)
    shown = rows[:most] if sort and len(rows) > most else rows
    figure = template.blank(
        plain(worst_finding(shares)), dark=dark, height=40 + 21 * (len(shown) + (len(shown) < len(rows)))
    )
    keys = [row.name for row in shown]
    fill = [colours.of_format(formats.get(row.name, "fp32"), dark) for row in shown]
    figure.add_bar(
        orientation="h", y=keys, x=[100 * row.share for row in shown], width=0.56,
        marker={"color": fill, "line": {"width": 0}, **_hatched(shown, dark)},
        customdata=[[plain(row.name), share(row.share), formats.get(row.name, "fp32"), _alone(metric, row),
                     three(row.isolated)] for row in shown],
        hovertemplate="<b>%{customdata[0]}</b> in %{customdata[2]}<br>%{customdata[1]} of the output error<br>"
                      "%{customdata[3]}<br>squared output error %{customdata[4]} per sample<extra></extra>",
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    for row in shown:
        bad = row.name in worst
        figure.add_annotation(
            x=100 * row.share, y=row.name, xanchor="left", xshift=5, showarrow=False,
            text=f"{'≈ ' if row.predicted else ''}{share(row.share)}{f'  {colours.TROUBLE_MARK}' if bad else ''}",
            font={"size": 12, "color": (colours.TROUBLE_TEXT if bad else colours.INK).on(dark)},
        )  # fmt: skip
    if len(shown) < len(rows):
        rest = sum(row.share for row in rows[most:])
        label = f"{len(rows) - most} others"
        keys.append(label)
        figure.add_bar(orientation="h", y=[label], x=[100 * rest], marker={"color": colours.PLAIN.on(dark)}, width=0.56,
                       hovertemplate=f"{label}: {share(rest)}<extra></extra>")  # fmt: skip
    widest = max((100 * row.share for row in rows), default=1.0) or 1.0
    figure.update_layout(
        barmode="overlay",
        xaxis={"range": [0, widest * 1.18], "title": {"text": "share of the output error, %"}, "nticks": 6},
        yaxis={
            "type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": keys,
            "ticktext": [plain(shorten(key)) for key in keys], "tickfont": {"family": template.MONO, "size": 12,
                                                                           "color": colours.INK.on(dark)},
        },
    )  # fmt: skip
    return figure


def _hatched(rows: Sequence[Share], dark: bool) -> dict[str, object]:
    """The pattern of bars that are predicted; nothing where none is."""
    if not any(row.predicted for row in rows):
        return {}
    shape = ["/" if row.predicted else "" for row in rows]
    ground = colours.GROUND.on(dark)
    return {"pattern": {"shape": shape, "fillmode": "overlay", "size": 4, "solidity": 0.45, "fgcolor": ground}}


def _alone(metric: str, row: Share) -> str:
    if row.metric is None:
        return "predicted from gradients on a few samples"
    return f"{plain(metric)} with this layer alone quantized: {metric_value(metric, row.metric)}"
