"""How many codes each channel of a weight has: with one scale for all, and with a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three
from qdebug.figures.text import plural
from qdebug.results import ChannelRanges

FEW = 3
"""So many codes are as good as none: −1, 0 and 1."""


def codes_reached(ranges: ChannelRanges, largest: int, *, own: bool) -> tuple[int, ...]:
    """How many codes lie in each channel's range on a symmetric grid.

    Args:
        ranges: of the channels.
        largest: the code that the largest magnitude gets.
        own: whether each channel has a scale of its own; otherwise all have that of the widest.
    """
    sizes = [max(abs(low), abs(high)) for low, high in zip(ranges.low, ranges.high, strict=True)]
    widest = max(sizes, default=0.0)
    found = []
    for low, high, size in zip(ranges.low, ranges.high, sizes, strict=True):
        scale = (size if own else widest) / largest
        found.append(round(high / scale) - round(low / scale) + 1 if scale else 1)
    return tuple(found)


def codes_finding(counts: Sequence[int], codes: int) -> str:
    """How many channels have hardly any codes, in words."""
    poor = sum(count <= FEW for count in counts)
    if poor:
        return f"{poor} of {plural(len(counts), 'channel')} have at most {FEW} of {codes} codes"
    return f"Every one of {plural(len(counts), 'channel')} has at least {min(counts)} of {codes} codes"


def channel_codes(
    counts: Sequence[int], ranges: ChannelRanges, codes: int, *, dark: bool, height: int = 240
) -> go.Figure:
    """The codes within each channel's range on a log axis, the widest channel first.

    Args:
        counts: by channel.
        ranges: the channels' ranges.
        codes: how many there are.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(codes_finding(counts, codes), dark=dark, height=height)
    sizes = [max(abs(low), abs(high)) for low, high in zip(ranges.low, ranges.high, strict=True)]
    order = sorted(range(len(sizes)), key=lambda index: -sizes[index])
    figure.add_scatter(
        x=list(range(1, len(order) + 1)), y=[counts[index] for index in order], mode="markers",
        marker={
            "size": 5, "line": {"width": 0},
            "color": [(colours.TROUBLE if counts[index] <= FEW else colours.ACCENT).on(dark) for index in order],
            "symbol": ["diamond" if counts[index] <= FEW else "circle" for index in order],
        },
        customdata=[[index, counts[index], three(sizes[index])] for index in order],
        hovertemplate="channel %{customdata[0]}, up to %{customdata[2]}<br>%{customdata[1]} codes<extra></extra>",
    )  # fmt: skip
    ticks = [1, 3, 10, 30, 100, codes]
    figure.update_layout(
        xaxis={"title": {"text": "output channels, widest first"}, "showgrid": False, "nticks": 6},
        yaxis={"title": {"text": "codes in its range"}, "type": "log", "range": [-0.15, 2.6], "tickvals": ticks,
               "ticktext": [str(tick) for tick in ticks]},
    )  # fmt: skip
    return figure
