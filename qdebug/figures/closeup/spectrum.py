"""What matrices of a low rank hold of a weight's error."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import percent, share
from qdebug.figures.text import plain
from qdebug.results import ErrorSpectrum

LIKE_NOISE = 1.5
"""An error of which a rank holds less than so many times as much as of independent noise is like noise."""
_TICKS = [digit * 10**power for power in range(4) for digit in (1, 2, 5)]


def spectrum_finding(found: ErrorSpectrum) -> str:
    """What a low-rank correction would win, in words."""
    if found.too_large:
        return f"A weight of {found.shape[0]:,} × {found.shape[1]:,} values is too large to be taken apart here"
    if not found.error:
        return f"Nothing is lost in {found.format}: there is no error to take apart"
    rank = max(1, found.rank)
    won, chance = found.error[rank - 1], found.noise[rank - 1]
    apart = won > LIKE_NOISE * chance
    if not found.rank:
        like = "more than" if apart else "about as much as"
        return f"The largest direction holds {share(won)} of the squared error, {like} it would of noise"
    if apart:
        return (
            f"A correction of rank {rank} would take away {share(won)} of the squared error; of noise {share(chance)}"
        )
    return f"The error is like noise: a correction of rank {rank} would take away only {share(won)} of it"


def spectrum_note(found: ErrorSpectrum) -> str:
    """What was computed, in words."""
    rows, columns = found.shape
    size = f"Of {rows:,} output channels × {columns:,} inputs"
    part = "" if found.exact else f", the first {len(found.error)} of {min(rows, columns):,} ranks, at least"
    apart = "" if found.rank else " A layer that is a table, or works in groups, has no low-rank correction."
    return f"{size}{part}. Noise is independent noise of this shape.{apart}"


def error_spectrum(found: ErrorSpectrum, *, dark: bool, height: int = 300) -> go.Figure:
    """Cumulative share of the squared error, of the squared weight, and of independent noise, by rank.

    Args:
        found: the shares.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(plain(spectrum_finding(found)), dark=dark, height=height)
    ranks = list(range(1, len(found.error) + 1))
    lines = (
        ("error", found.error, "takes away {} of the squared error", {"width": 2, "color": colours.INK.on(dark)}),
        ("weight", found.weight, "holds {} of the squared weight", {"width": 1.5, "color": colours.MUTED.on(dark)}),
        ("noise", found.noise, "would take away {} of noise",
         {"width": 1.5, "dash": "dot", "color": colours.MUTED.on(dark)}),
    )  # fmt: skip
    for name, values, said, line in lines:
        figure.add_scatter(
            name=name, x=ranks, y=[100 * value for value in values], line=line,
            mode="lines+markers" if len(ranks) < 3 else "lines",
            customdata=[said.format(percent(value)) for value in values],
            hovertemplate="rank %{x}: %{customdata}<extra></extra>",
        )  # fmt: skip
    if found.rank and found.error:
        _mark(figure, found, dark)
    many = len(ranks) > 48
    figure.update_layout(
        showlegend=True, hovermode="closest",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": colours.MUTED.on(dark)}},
        xaxis={"title": {"text": "rank" + (", log" if many else "")}, "type": "log" if many else "linear",
               "showgrid": False, **({"tickvals": _TICKS, "ticktext": [f"{tick:,}" for tick in _TICKS]} if many else
                                     {"tickformat": ",d", "nticks": 10})},
        yaxis={"title": {"text": "held by matrices of that rank, %"}, "range": [0, 105], "nticks": 6},
    )  # fmt: skip
    return figure


def _mark(figure: go.Figure, found: ErrorSpectrum, dark: bool) -> None:
    figure.add_scatter(
        name=f"rank {found.rank}", x=[found.rank], y=[100 * found.error[found.rank - 1]], mode="markers",
        showlegend=False, marker={"size": 9, "color": colours.INK.on(dark)},
        hovertemplate=f"rank {found.rank}: takes away {percent(found.error[found.rank - 1])}<extra></extra>",
    )  # fmt: skip
