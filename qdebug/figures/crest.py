"""Crest factors of blocks: where integers beat floats."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import MINUS, NBSP, decibel, share, three
from qdebug.results import CrestPair, CrestView


def crest_finding(views: tuple[CrestView, ...]) -> str:
    """Which of the four-bit pairs wins on these values, in words."""
    pairs = [(view, pair) for view in views for pair in view.pairs if pair.integer.endswith("int4")]
    said = [_said(pair) for _, pair in pairs if pair.gain_db is not None]
    return f"Measured here, {' and '.join(said)}" if said else "How uneven the blocks are"


def _said(pair: CrestPair) -> str:
    assert pair.gain_db is not None
    winner, loser = (pair.integer, pair.float_) if pair.gain_db >= 0 else (pair.float_, pair.integer)
    return f"{winner} beats {loser} by {decibel(abs(pair.gain_db))}{NBSP}dB"


def crest_figure(view: CrestView, *, dark: bool, height: int = 170) -> go.Figure:
    """Blocks by crest factor, with the crossings below which the integer format of a pair has the smaller error.

    Args:
        view: blocks of one size.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    inside = [pair for pair in view.pairs if pair.crossing < view.high]
    title = f"Blocks of {view.size}: peak over RMS is {three(view.median)} in the middle"
    figure = template.blank(title, dark=dark, height=height)
    width = (view.high - view.low) / max(1, len(view.counts))
    centres = [view.low + width * (index + 0.5) for index in range(len(view.counts))]
    total = sum(view.counts) or 1
    figure.add_bar(
        x=centres, y=[100 * count / total for count in view.counts], width=width,
        marker={"color": colours.PLAIN.on(dark), "line": {"width": 0}},
        customdata=[[three(x - width / 2), three(x + width / 2), share(count / total)]
                    for x, count in zip(centres, view.counts, strict=True)],
        hovertemplate="crest factor %{customdata[0]} to %{customdata[1]}<br>%{customdata[2]} of the blocks"
                      "<extra></extra>",
    )  # fmt: skip
    used = [index for index, count in enumerate(view.counts) if count] or [0]
    last = max([view.low + width * (used[-1] + 1), *(pair.crossing + 0.3 for pair in inside)])
    reach = min(view.high, last)
    tallest = max((100 * count / total for count in view.counts), default=1.0) or 1.0
    # Words stand where there is more room; the line that they would cross ends below them.
    right = sum(pair.crossing for pair in inside) < len(inside) * (1 + reach) / 2
    for turn, pair in enumerate(sorted(inside, key=lambda one: one.crossing, reverse=not right)):
        top = 1 - 0.14 * turn
        tone = colours.of_format(pair.float_, dark)
        figure.add_scatter(
            x=[pair.crossing] * 2, y=[0, top], yaxis="y2", mode="lines",
            line={"color": tone, "width": 1.5, "dash": "dash"},
            customdata=[[pair.integer, pair.float_, three(pair.crossing), share(pair.below), _gain(pair)]] * 2,
            hovertemplate="%{customdata[0]} beats %{customdata[1]} below %{customdata[2]} (theory)<br>"
                          "%{customdata[3]} of the blocks are<br>measured here: %{customdata[4]}<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=pair.crossing, y=top, yref="y2", yanchor="top", showarrow=False,
            xanchor="left" if right else "right", xshift=4 if right else -4,
            text=f"{pair.integer} | {pair.float_} {three(pair.crossing)}: {share(pair.below)} below",
            font={"size": 11, "color": colours.MUTED.on(dark)},
        )  # fmt: skip
    figure.update_layout(
        bargap=0,
        xaxis={"title": {"text": "crest factor of a block, peak over RMS"}, "showgrid": False, "nticks": 8,
               "range": [1, reach]},
        yaxis={"title": {"text": "blocks, %"}, "nticks": 4,
               "range": [0, tallest * (1.12 + 0.2 * len(inside))]},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )  # fmt: skip
    return figure


def _gain(pair: CrestPair) -> str:
    if pair.gain_db is None:
        return "not known"
    return f"{pair.integer} {'+' if pair.gain_db >= 0 else MINUS}{decibel(abs(pair.gain_db))} dB"
