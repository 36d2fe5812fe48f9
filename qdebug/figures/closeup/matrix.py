"""A weight as a matrix, before and after, and the difference."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.closeup.scales import signed
from qdebug.figures.numbers import NBSP, decibel, percent, three
from qdebug.figures.text import plain, plural
from qdebug.results import Cells, WeightMatrix

CONCENTRATED = 0.25
"""Where half of the squared error lies in so few of the rows or columns, they are named."""
_FLAT = 0.02
_GAP = 0.07


def matrix_finding(found: WeightMatrix) -> str:
    """Where the error lies, in words."""
    if found.sqnr_db is None:
        return f"Nothing is lost in {found.format}: before and after are the same"
    by_row, by_column = found.half_rows / found.rows, found.half_columns / found.columns
    of_rows, of_columns = plural(found.rows, "output channel"), plural(found.columns, "input")
    if found.worst_row[1] >= CONCENTRATED and found.rows > 4:
        return f"Output channel {found.worst_row[0]} alone holds {percent(found.worst_row[1])} of the squared error"
    if found.worst_column[1] >= CONCENTRATED and found.columns > 4:
        return f"Input {found.worst_column[0]} alone holds {percent(found.worst_column[1])} of the squared error"
    if min(by_row, by_column) <= CONCENTRATED:
        few = f"{found.half_rows:,} of {of_rows}" if by_row <= by_column else f"{found.half_columns:,} of {of_columns}"
        return f"Half of the squared error lies in {few}"
    return f"The error is spread over the whole matrix: half of it lies in {found.half_rows:,} of {of_rows}"


def block_note(found: WeightMatrix) -> str:
    """What a cell stands for, in words."""
    size = f"{found.rows:,} × {found.columns:,} values"
    if found.height == found.width == 1:
        return f"{size}, each a cell. Colour grows with the root of the magnitude."
    cell = "its value of largest magnitude" if found.cell == "largest" else "its mean"
    return (
        f"{size}, in blocks of {found.height} × {found.width}; of each block {cell}. "
        "Colour grows with the root of the magnitude."
    )


def weight_matrix(found: WeightMatrix, *, dark: bool, height: int = 500) -> go.Figure:
    """The weight before and after quantization on one scale of colours, and the difference on its own.

    Args:
        found: the matrices.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(plain(matrix_finding(found)), dark=dark, height=height)
    sqnr = "no difference" if found.sqnr_db is None else f"SQNR {decibel(found.sqnr_db)}{NBSP}dB"
    panels = (
        (found.before, "before: float", "coloraxis"),
        (found.after, f"after: {found.format}", "coloraxis"),
        (found.error, f"after − before: {sqnr}", "coloraxis2"),
    )
    tall = (1 - 2 * _GAP) / 3
    for place, (cells, name, scale) in enumerate(panels):
        suffix = "" if place == 0 else str(place + 1)
        top = 1 - place * (tall + _GAP)
        _cells(figure, found, cells, name, scale, suffix)
        figure.add_annotation(
            text=plain(name), x=0, xref="paper", xanchor="left", y=top, yref="paper", yanchor="bottom", showarrow=False,
            font={"size": 11, "color": colours.MUTED.on(dark)},
        )  # fmt: skip
        _axes(figure, suffix, (max(0.0, top - tall), top), last=place == 2)
    figure.update_layout(
        xaxis3_title_text="input",
        yaxis2_title_text="output channel",
        margin={"t": 24},
        coloraxis=_scale((found.before, found.after), tall + _GAP, 1.0, dark),
        coloraxis2=_scale((found.error,), 0.0, tall, dark),
    )
    return figure


def _axes(figure: go.Figure, suffix: str, domain: tuple[float, float], *, last: bool) -> None:
    """A panel's axes, in the style of the figure's own; all share their inputs."""
    blank = {f"{one}axis": getattr(figure.layout, f"{one}axis").to_plotly_json() for one in "xy"}
    x = {"showgrid": False, "anchor": f"y{suffix}", "nticks": 6, "showticklabels": last}
    y = {"showgrid": False, "anchor": f"x{suffix}", "nticks": 4, "domain": domain, "autorange": "reversed"}
    figure.update_layout({f"xaxis{suffix}": blank["xaxis"] | x | ({"matches": "x"} if suffix else {})})
    figure.update_layout({f"yaxis{suffix}": blank["yaxis"] | y})


def _cells(figure: go.Figure, found: WeightMatrix, cells: Cells, name: str, scale: str, suffix: str) -> None:
    one = found.height == found.width == 1
    words = {"largest": "largest value", "mean": "mean"}[found.cell]
    figure.add_heatmap(
        name=name, z=cells.values, x=[found.width * column for column in range(cells.columns)],
        y=[found.height * row for row in range(cells.rows)], coloraxis=scale, xaxis=f"x{suffix}", yaxis=f"y{suffix}",
        hovertemplate="output channel %{y}, input %{x}: %{z:.3g}<extra></extra>" if one else
        f"{found.height} × {found.width} values from output channel %{{y}}, input %{{x}}<br>{words} %{{z:.3g}}"
        "<extra></extra>",
    )  # fmt: skip


def _scale(cells: tuple[Cells, ...], low: float, high: float, dark: bool) -> dict[str, object]:
    """A scale about zero, with its key beside what it colours."""
    reach = max(float(abs(one.values).max()) for one in cells) or 1.0
    ticks = [-reach, -reach / 4, 0.0, reach / 4, reach]
    return {
        "cmin": -reach, "cmax": reach, "colorscale": signed(dark),
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickvals": ticks, "ticktext": [three(one) for one in ticks],
                     "tickfont": {"size": 10, "color": colours.MUTED.on(dark)}, "y": low, "yanchor": "bottom",
                     "len": high - low, "lenmode": "fraction", "ypad": 0, "xpad": 4},
    }  # fmt: skip
