"""The distribution of a weight in its channels, one below the other, with the limits that each has."""

from __future__ import annotations

import itertools
from typing import Literal

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.closeup.scales import Axis
from qdebug.figures.numbers import NBSP, decibel, percent, three, times
from qdebug.figures.text import plain, plural
from qdebug.results import ChannelRidges, Ridge

Order = Literal["evenly", "worst"]
STEEP = 12
"""Times the narrowest of the shown channels from which on the axis is stretched about zero."""
_TALL, _TICK = 1.7, 0.6
"""Height of a ridge in rows, which reaches into the row above, and of a single value."""


def ridges_finding(found: ChannelRidges) -> str:
    """How the channels fill their limits, in words."""
    widths = [_width(one) for one in found.evenly]
    narrow, wide = min(widths), max(widths)
    if found.fill is None:
        spread = f": the widest is {times(wide / narrow)} the narrowest" if narrow and len(widths) > 1 else ""
        return f"The channels have no clip limits in {found.format}{spread}"
    least, median = found.fill
    if found.scales == 0:
        if least >= 0.5:
            return f"One range serves all channels: the narrowest fills {percent(least)} of it"
        return f"One range for all channels: half of them fill less than {percent(median)} of it"
    own = "limits of its own" if found.scales == 1 else f"{found.scales} scales of its own"
    spread = f"; the widest is {times(wide / narrow)} the narrowest" if narrow and len(widths) > 1 else ""
    return f"Each channel has {own}{spread}"


def shown_note(found: ChannelRidges, order: Order) -> str:
    """Which channels are shown, in words."""
    chosen: tuple[Ridge, ...] = getattr(found, order)
    number = len(chosen)
    if order == "worst":
        which = "with the lowest SQNR, lowest at the top"
    else:
        which = "widest at the top" if number == found.total else "evenly from the widest to the narrowest"
    all_of = f"All {plural(number, 'channel')}" if number == found.total else f"{number} of {found.total:,} channels"
    widest = ", of the widest scale of each channel" if found.scales > 1 else ""
    limits = "" if found.fill is None else f" Vermilion marks are the clip limits{widest}."
    high = "Each is as high as its own fullest bin." if chosen[0].counts else "Each tick is a value."
    return f"{all_of}, {which}. {high}{limits}"


def channel_ridges(found: ChannelRidges, order: Order = "evenly", *, dark: bool) -> go.Figure:
    """A ridge per channel; a thin line spans its values, so that a single one far out is seen.

    Args:
        found: the channels.
        order: ``evenly`` over all widths, or the ``worst`` by SQNR.
        dark: whether it stands on dark ground.
    """
    chosen: tuple[Ridge, ...] = getattr(found, order)
    figure = template.blank(plain(ridges_finding(found)), dark=dark, height=90 + 17 * max(4, len(chosen)))
    axis = _axis(chosen)
    for place, ridge in enumerate(chosen):
        _ridge(figure, ridge, -place, axis, dark)
    _limits(figure, chosen, axis, dark)
    ends = [end for one in chosen for end in (one.low, one.high, one.clip_min, one.clip_max) if end is not None]
    low, high = min(ends), max(ends)
    names = {"tickvals": [-place for place in range(len(chosen))], "ticktext": [str(one.channel) for one in chosen]}
    figure.update_layout(
        hovermode="closest",
        xaxis={"title": {"text": "weight, float" + (", stretched about zero" if axis.stretch else "")},
               "zeroline": True, "zerolinecolor": colours.RULE.on(dark), **axis.ticks(low, high)},
        yaxis={"title": {"text": "channel"}, **names, "showgrid": False,
               "tickfont": {"family": template.MONO, "size": 10}, "range": [0.6 - len(chosen), _TALL + 0.1]},
    )  # fmt: skip
    return figure


def _width(ridge: Ridge) -> float:
    return max(abs(ridge.low), abs(ridge.high))


def _axis(chosen: tuple[Ridge, ...]) -> Axis:
    widths = sorted(_width(one) for one in chosen if _width(one))
    steep = widths and widths[-1] > STEEP * widths[0]
    return Axis(widths[len(widths) // 2] if steep else None)


def _ridge(figure: go.Figure, ridge: Ridge, foot: int, axis: Axis, dark: bool) -> None:
    """A step for each bin; where there are few values, a tick for each."""
    said = f"channel {ridge.channel}: {three(ridge.low)} to {three(ridge.high)}<br>{_quality(ridge)}"
    drawn: dict[str, object]
    if ridge.counts:
        width, most = (ridge.high - ridge.low) / len(ridge.counts), max(ridge.counts)
        edges = [ridge.low + width * place for place in range(len(ridge.counts) + 1)]
        steps = [end for pair in itertools.pairwise(edges) for end in pair]
        heights = [foot + _TALL * count / most for count in ridge.counts for _ in range(2)]
        drawn = {
            "x": [axis.at(value) for value in (ridge.low, *steps, ridge.high, ridge.low)],
            "y": [foot, *heights, foot, foot], "fill": "toself", "fillcolor": colours.PLAIN.on(dark),
            "hoveron": "points+fills", "line": {"width": 1, "color": colours.MUTED.on(dark)},
        }  # fmt: skip
    else:
        places = [axis.at(value) for value in ridge.values]
        drawn = {
            "x": [end for place in places for end in (place, place, None)],
            "y": [foot, foot + _TICK, None] * len(places), "line": {"width": 1.5, "color": colours.INK.on(dark)},
        }  # fmt: skip
    figure.add_scatter(
        name=f"channel {ridge.channel}",
        meta={"x": axis.stretch},
        mode="lines",
        text=said,
        hovertemplate=f"{said}<extra></extra>",
        **drawn,
    )


def _quality(ridge: Ridge) -> str:
    if ridge.sqnr_db is None:
        return "kept without an error"
    codes = f"{ridge.codes} different {'value' if ridge.codes == 1 else 'values'} after quantization"
    return f"SQNR {decibel(ridge.sqnr_db)}{NBSP}dB, {codes}"


def _limits(figure: go.Figure, chosen: tuple[Ridge, ...], axis: Axis, dark: bool) -> None:
    """One series for all spans and one for all limits, each with gaps."""
    spans: list[float | None] = []
    feet: list[float | None] = []
    for place, one in enumerate(chosen):
        spans += [axis.at(one.low), axis.at(one.high), None]
        feet += [-place, -place, None]
    figure.add_scatter(
        name="smallest to largest value", meta={"x": axis.stretch}, x=spans, y=feet, mode="lines", hoverinfo="skip",
        line={"width": 1, "color": colours.MUTED.on(dark)},
    )  # fmt: skip
    xs: list[float | None] = []
    ys: list[float | None] = []
    for place, one in enumerate(chosen):
        for limit in (one.clip_min, one.clip_max):
            if limit is not None:
                xs += [axis.at(limit), axis.at(limit), None]
                ys += [-place - 0.15, -place + 0.75, None]
    if xs:
        figure.add_scatter(
            name="clip limits", meta={"x": axis.stretch}, x=xs, y=ys, mode="lines", hoverinfo="skip",
            line={"width": 1.5, "color": colours.CLIPPING.on(dark)},
        )  # fmt: skip
