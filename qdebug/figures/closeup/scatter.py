"""A layer's output, float against quantized."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.closeup.scales import Axis, amount
from qdebug.figures.numbers import many, three
from qdebug.figures.text import plain, plural
from qdebug.results import OutputScatter

STRAIGHT = 0.02
"""A slope nearer to 1 than this is called 1."""
SHIFTED = 0.05
"""Standard deviations of the output by which a mean must move to be named."""
_LINE = 65


def scatter_finding(found: OutputScatter) -> str:
    """What the deviation from the diagonal shows, in words."""
    if found.sqnr_db is None:
        return "Nothing changes: the outputs are those of the float model"
    if found.slope is None or found.offset is None:
        return "The float output is one value throughout"
    moved = abs(found.shift) > SHIFTED * found.deviation
    line = f"slope {three(found.slope)}, offset {three(found.offset, signed=True)}"
    if abs(found.slope - 1) > STRAIGHT:
        return f"Outputs {'shrink' if found.slope < 1 else 'grow'}{' and shift' if moved else ''}: {line}"
    if moved:
        return f"Outputs shift by {three(found.shift, signed=True)} on average: {line}"
    return f"Outputs keep their scale and their mean: {line}"


def scatter_note(found: OutputScatter) -> str:
    """What is counted, in words."""
    values = f"{many(found.n)} values" if found.n == found.of else f"{many(found.n)} of {many(found.of)} values"
    left_out = f" {plural(found.left_out, 'value')} with NaN or Inf left out." if found.left_out else ""
    stretched = (
        " Both axes are stretched about zero, since few values are far from all others." if found.stretch else ""
    )
    return (
        f"{values} of {plural(found.samples, 'sample')}. Dots: where both are equal. Dashes: the line of least squares."
        f"{stretched}{left_out}"
    )


def output_scatter(found: OutputScatter, *, dark: bool, height: int = 380) -> go.Figure:
    """How many values fall into each square, with the diagonal and the line of least squares.

    Args:
        found: the counts.
        dark: whether it stands on dark ground.
        height: pixels.
    """
    figure = template.blank(plain(scatter_finding(found)), dark=dark, height=height)
    axis = Axis(found.stretch)
    places = _places(found, axis)
    counts = found.cells.values.astype(np.float64)  # a power of the logarithm must give the count again
    with np.errstate(divide="ignore"):
        logs = np.where(counts > 0, np.log10(counts), np.nan)
    top = math.log10(max(1.0, float(counts.max())))
    decades = list(range(math.floor(top) + 1))
    figure.add_heatmap(
        name="values in the square", meta={**_drawn(found), "counts": True}, x=places, y=places, z=logs,
        colorscale=amount(dark), zmin=0,
        zmax=max(top, 0.1), hoverongaps=False, customdata=_said(found, axis, places, counts),
        hovertemplate="%{customdata}<extra></extra>",
        colorbar={"title": {"text": "values", "side": "right", "font": {"size": 11}}, "thickness": 10,
                  "outlinewidth": 0, "tickvals": decades, "ticktext": [f"{10**power:,}" for power in decades],
                  "tickfont": {"size": 10}, "xpad": 4},
    )  # fmt: skip
    _lines(figure, found, axis, dark)
    span = [axis.at(found.low), axis.at(found.high)]
    room = 0.01 * (span[1] - span[0]) or 1.0
    shared = {**axis.ticks(found.low, found.high), "showgrid": False, "range": [span[0] - room, span[1] + room]}
    how = "all before it quantized too" if found.in_place else "it alone quantized"
    figure.update_layout(
        hovermode="closest",
        xaxis={"title": {"text": "output, float"}, **shared},
        yaxis={"title": {"text": f"output, {how}"}, **shared},
    )  # fmt: skip
    return figure


def _drawn(found: OutputScatter) -> dict[str, float | None]:
    """In what units both axes are drawn, for whoever saves the numbers."""
    return {"x": found.stretch, "y": found.stretch}


def _places(found: OutputScatter, axis: Axis) -> list[float]:
    """The middles of the squares on the axis."""
    low, high = axis.at(found.low), axis.at(found.high)
    step = (high - low) / found.cells.columns or 1.0
    return [low + step * (place + 0.5) for place in range(found.cells.columns)]


def _said(found: OutputScatter, axis: Axis, places: list[float], counts: np.ndarray) -> list[list[str]]:
    values = [three(axis.value(place)) for place in places]
    return [
        [
            f"{int(count):,} values: float {x}, quantized {y}" if count else ""
            for x, count in zip(values, row, strict=True)
        ]
        for y, row in zip(values, counts, strict=True)
    ]


def _lines(figure: go.Figure, found: OutputScatter, axis: Axis, dark: bool) -> None:
    """The diagonal, and the line of least squares, which is bent where axes are stretched."""
    low, high = axis.at(found.low), axis.at(found.high)
    along = [low + (high - low) * step / (_LINE - 1) for step in range(_LINE)]
    figure.add_scatter(
        name="equal", meta=_drawn(found), x=[low, high], y=[low, high], mode="lines", hoverinfo="skip",
        line={"width": 1.2, "dash": "dot", "color": colours.ACCENT.on(dark)},
    )  # fmt: skip
    if found.slope is None or found.offset is None or found.sqnr_db is None:
        return
    fitted = [axis.at(found.slope * axis.value(place) + found.offset) for place in along]
    inside = [(x, y) for x, y in zip(along, fitted, strict=True) if low <= y <= high]
    figure.add_scatter(
        name="least squares", meta=_drawn(found), x=[x for x, _ in inside], y=[y for _, y in inside], mode="lines",
        hoverinfo="skip", line={"width": 1.6, "dash": "dash", "color": colours.ACCENT.on(dark)},
    )  # fmt: skip
