"""How far quantization moves the mean of each output channel."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import three
from qdebug.figures.text import plain
from qdebug.results import LayerDetail

#: From this many standard deviations on, a mean shift is worth a remark.
NOTABLE = 0.05
MOST_BARS = 256


def shift_finding(detail: LayerDetail) -> str:
    """What the means do, in words."""
    if not detail.shift or not any(detail.shift):
        return "Output means stay where they are"
    worst = max(range(len(detail.shift)), key=lambda index: abs(detail.shift[index]))
    size = three(detail.output.mean_shift)
    if detail.output.mean_shift < NOTABLE:
        return f"Output means hardly move: {size} standard deviations on average"
    return f"Output means move by {size} standard deviations on average, channel {worst} the most"


def mean_shift(detail: LayerDetail, *, dark: bool, height: int = 130) -> go.Figure:
    """The mean error of each output channel, in channel order; of many channels the largest per block."""
    figure = template.blank(plain(shift_finding(detail)), dark=dark, height=height)
    step = -(-len(detail.shift) // MOST_BARS) or 1
    blocks = [range(start, min(start + step, len(detail.shift))) for start in range(0, len(detail.shift), step)]
    chosen = [max(block, key=lambda index: abs(detail.shift[index])) for block in blocks]
    figure.add_bar(
        x=chosen,
        y=[detail.shift[index] for index in chosen],
        marker={"color": colours.PLAIN.on(dark), "line": {"width": 0}},
        customdata=[[index, three(detail.shift[index], signed=True)] for index in chosen],
        hovertemplate="channel %{customdata[0]}: mean moves by %{customdata[1]}<extra></extra>",
    )
    figure.update_layout(
        xaxis={"title": {"text": "output channel"}, "showgrid": False, "nticks": 6},
        yaxis={"title": {"text": "mean error"}, "nticks": 4, "zeroline": True, "zerolinecolor": colours.RULE.on(dark)},
    )
    return figure
