"""The range of every channel, widest first; before and after a fix."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three, times
from qdebug.figures.text import plain, plural
from qdebug.results import ChannelRanges

#: Bars beyond this many would be thinner than a pixel: neighbours in the sorted order share one, with their union.
MOST_BARS = 192

#: Times the median from which on the widest channel makes the others invisible on a linear axis.
STEEP = 12


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
    """Each channel's smallest to largest value as one bar, widest channel first, outliers in vermilion under a mark.

    Where the widest would leave nothing of the others to be seen, the bars are largest magnitudes on a log axis.
    """
    figure = template.blank(plain(channels_finding(ranges, noun)), dark=dark, height=height)
    order = by_width(ranges)
    step = -(-len(order) // MOST_BARS)
    blocks = [order[start : start + step] for start in range(0, len(order), step)]
    low = [min(ranges.low[index] for index in block) for block in blocks]
    high = [max(ranges.high[index] for index in block) for block in blocks]
    steep = ranges.widest_ratio > STEEP
    base, top = _magnitudes(low, high) if steep else (low, high)
    odd = set(ranges.outliers)
    wide = [bool(odd.intersection(block)) for block in blocks]
    figure.add_bar(
        x=list(range(1, len(blocks) + 1)),
        base=base,
        y=[end - start for start, end in zip(base, top, strict=True)],
        marker={"color": [(colours.TROUBLE if one else colours.PLAIN).on(dark) for one in wide], "line": {"width": 0}},
        customdata=[[_called(block, noun), three(a), three(b)] for block, a, b in zip(blocks, low, high, strict=True)],
        hovertemplate="%{customdata[0]}<br>from %{customdata[1]} to %{customdata[2]}<extra></extra>",
    )
    for position, one in enumerate(wide, start=1):
        if one and position <= 12:
            end = top[position - 1]
            template.mark(figure, position, math.log10(end) if steep else end, "", dark=dark, yanchor="bottom")
    figure.update_layout(
        bargap=0.3 if len(blocks) < 80 else 0,
        xaxis={"title": {"text": f"{noun}s, widest first"}, "showgrid": False, "showticklabels": False},
        yaxis=_log_axis(base, top) if steep else _plain_axis(low, high),
    )
    return figure


def _magnitudes(low: list[float], high: list[float]) -> tuple[list[float], list[float]]:
    """Bars of largest magnitudes for a log axis: all from one foot, a little below the smallest that is not zero."""
    sizes = [max(abs(a), abs(b)) for a, b in zip(low, high, strict=True)]
    foot = 0.5 * min(size for size in sizes if size > 0)
    return [foot] * len(sizes), [max(size, foot) for size in sizes]


def _log_axis(base: list[float], top: list[float]) -> dict[str, object]:
    foot, reach = math.log10(base[0]), math.log10(max(top))
    return {
        "title": {"text": "largest, log"}, "type": "log", "dtick": max(1, round((reach - foot) / 3)),
        "range": [foot, reach + 0.2 * (reach - foot)],
    }  # fmt: skip


def _plain_axis(low: list[float], high: list[float]) -> dict[str, object]:
    reach = max((abs(value) for value in (*low, *high)), default=1.0)
    bounds = [min(0.0, min(low, default=0)) - 0.04 * reach, max(high, default=1) + 0.2 * reach]
    return {"title": {"text": "range"}, "nticks": 4, "range": bounds}


def before_after_finding(before: ChannelRanges, after: ChannelRanges) -> str:
    """What a fix does to the ranges, in words."""
    if not any(after.low) and not any(after.high):
        return f"Largest mean error of a channel: {three(_largest(before))} before, none after"
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


def _largest(ranges: ChannelRanges) -> float:
    return max((abs(value) for value in (*ranges.low, *ranges.high)), default=0.0)


def _called(block: list[int], noun: str) -> str:
    return f"{noun} {block[0]}" if len(block) == 1 else f"{len(block)} {noun}s, {block[0]} … {block[-1]}"
