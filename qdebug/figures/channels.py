"""The range of every channel, widest first; before and after a fix."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three, times
from qdebug.figures.text import plain, plural
from qdebug.results import ChannelRanges

#: Bars beyond this many would be thinner than a pixel: neighbours in the sorted order share one, with their union.
MOST_BARS = 192


def channels_finding(ranges: ChannelRanges, noun: str = "channel") -> str:
    """What the ranges show, in words."""
    total = len(ranges.low)
    if total == 1:
        return f"There is one {noun} only"
    if ranges.outliers:
        number = len(ranges.outliers)
        verb = "is an outlier" if number == 1 else "are outliers"
        return f"{number} of {plural(total, noun)} {verb}; the widest is {times(ranges.widest_ratio)} the median"
    if ranges.widest_ratio > 3:
        return f"The widest of {plural(total, noun)} is {times(ranges.widest_ratio)} the median"
    return f"The {noun}s are even: the widest is {times(ranges.widest_ratio)} the median"


def by_width(ranges: ChannelRanges) -> list[int]:
    """Channel indices, widest first."""
    return sorted(range(len(ranges.low)), key=lambda index: -max(abs(ranges.low[index]), abs(ranges.high[index])))


def channel_ranges(ranges: ChannelRanges, noun: str = "channel", *, dark: bool, height: int = 150) -> go.Figure:
    """Each channel's smallest to largest value as one bar, widest channel first, outliers in vermilion under a mark."""
    figure = template.blank(plain(channels_finding(ranges, noun)), dark=dark, height=height)
    order = by_width(ranges)
    step = -(-len(order) // MOST_BARS)
    blocks = [order[start : start + step] for start in range(0, len(order), step)]
    odd = set(ranges.outliers)
    low = [min(ranges.low[index] for index in block) for block in blocks]
    high = [max(ranges.high[index] for index in block) for block in blocks]
    wide = [bool(odd.intersection(block)) for block in blocks]
    figure.add_bar(
        x=list(range(1, len(blocks) + 1)),
        base=low,
        y=[top - bottom for top, bottom in zip(high, low, strict=True)],
        marker={"color": [(colours.TROUBLE if one else colours.PLAIN).on(dark) for one in wide], "line": {"width": 0}},
        customdata=[[_called(block, noun), three(a), three(b)] for block, a, b in zip(blocks, low, high, strict=True)],
        hovertemplate="%{customdata[0]}<br>from %{customdata[1]} to %{customdata[2]}<extra></extra>",
    )
    reach = max((abs(value) for value in (*low, *high)), default=1.0)
    for position, one in enumerate(wide, start=1):
        if one and position <= 12:
            template.mark(figure, position, high[position - 1], "", dark=dark, yanchor="bottom")
    figure.update_layout(
        bargap=0.3 if len(blocks) < 80 else 0,
        xaxis={"title": {"text": f"{noun}s, widest first"}, "showgrid": False, "showticklabels": False},
        yaxis={
            "title": {"text": "range"},
            "nticks": 4,
            "range": [min(0.0, min(low, default=0)) - 0.04 * reach, max(high, default=1) + 0.2 * reach],
        },
    )
    return figure


def before_after_finding(before: ChannelRanges, after: ChannelRanges) -> str:
    """What a fix does to the ranges, in words."""
    return f"Widest channel: {times(before.widest_ratio)} the median before, {times(after.widest_ratio)} after"


def before_after(before: ChannelRanges, after: ChannelRanges, *, dark: bool, height: int = 170) -> go.Figure:
    """The absolute maximum of each channel without and with a fix (log axis), in the order of the width before."""
    figure = template.blank(plain(before_after_finding(before, after)), dark=dark, height=height)
    order = by_width(before)
    xs = list(range(1, len(order) + 1))
    lines = (
        (before, "before", colours.MUTED.on(dark), "circle-open"),
        (after, "after", colours.INK.on(dark), "circle"),
    )
    for ranges, name, colour, symbol in lines:
        values = [max(abs(ranges.low[index]), abs(ranges.high[index])) for index in order]
        figure.add_scatter(
            x=xs, y=values, name=name, mode="markers" if len(xs) <= MOST_BARS else "lines",
            marker={"color": colour, "size": 5, "symbol": symbol}, line={"color": colour, "width": 1.5},
            customdata=[[index, three(value), name] for index, value in zip(order, values, strict=True)],
            hovertemplate="channel %{customdata[0]}, %{customdata[2]}: up to %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "font": {"size": 11}},
        xaxis={"title": {"text": "channels, widest first"}, "showgrid": False, "showticklabels": False},
        yaxis={"title": {"text": "largest magnitude (log)"}, "type": "log", "dtick": 1},
    )
    return figure


def _called(block: list[int], noun: str) -> str:
    return f"{noun} {block[0]}" if len(block) == 1 else f"{len(block)} {noun}s, {block[0]} … {block[-1]}"
