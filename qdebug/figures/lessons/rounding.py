"""Two weights and the codes around them; inputs that go together; what kinds of rounding leave of a layer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import decibel, three
from qdebug.figures.text import plain
from qdebug.results import InputCosines

_STEPS = 61
_LOW, _HIGH = -0.6, 1.6

Pair = tuple[int, int]
CODES: tuple[Pair, ...] = tuple(itertools.product((0, 1), (0, 1)))
"""The codes next to two weights between 0 and 1."""


def output_error(delta: tuple[float, float], together: float) -> float:
    """The mean squared error of the output of two weights that are off by ``delta``.

    Args:
        delta: by how much each weight is off.
        together: the mean product of the two inputs, each of which has the mean square 1.
    """
    one, two = delta
    return one * one + two * two + 2 * together * one * two


def errors_of(weights: tuple[float, float], together: float) -> dict[Pair, float]:
    """The output's error for each pair of codes."""
    one, two = weights
    return {code: output_error((code[0] - one, code[1] - two), together) for code in CODES}


def nearest(weights: tuple[float, float]) -> Pair:
    """The code next to each weight."""
    return round(weights[0]), round(weights[1])


def corners_finding(weights: tuple[float, float], together: float) -> str:
    """What nearest rounding costs against the best pair, in words."""
    errors = errors_of(weights, together)
    best, near = min(errors, key=errors.__getitem__), nearest(weights)
    if errors[near] <= errors[best] * (1 + 1e-9):
        return f"Nearest rounding, {near}, is the best here: {three(errors[near])} of error"
    return f"Nearest rounding, {near}, leaves {three(errors[near])} of error; {best} leaves {three(errors[best])}"


def corners(weights: tuple[float, float], together: float, *, dark: bool, height: int = 380) -> go.Figure:
    """The plane of two weights: rings of equal output error around the float weights, and the four pairs of codes."""
    figure = template.blank(corners_finding(weights, together), dark=dark, height=height)
    errors = errors_of(weights, together)
    best, near = min(errors.values()), nearest(weights)
    places = [_LOW + (_HIGH - _LOW) * step / (_STEPS - 1) for step in range(_STEPS)]
    figure.add_contour(
        x=places, y=places, ncontours=14, showscale=False, hoverinfo="skip",
        z=[[output_error((x - weights[0], y - weights[1]), together) ** 0.5 for x in places] for y in places],
        contours={"coloring": "none"}, line={"width": 1, "color": colours.PLAIN.on(dark)},
    )  # fmt: skip
    tone, ink = colours.ACCENT.on(dark), colours.INK.on(dark)
    for code in CODES:
        is_best = errors[code] <= best * (1 + 1e-9)
        figure.add_scatter(
            x=[code[0]], y=[code[1]], mode="markers+text",
            text=[f"{'nearest ' if code == near else ''}{three(errors[code])}"], textposition="top center",
            marker={"size": 15 if is_best else 11, "opacity": 1.0, "symbol": "square" if code == near else "circle",
                    "color": tone if is_best else colours.GROUND.on(dark), "line": {"width": 2, "color": tone}},
            textfont={"size": 12, "color": ink},
            hovertemplate=f"codes {code}: mean squared output error {three(errors[code])}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[weights[0]], y=[weights[1]], mode="markers", marker={"size": 12, "symbol": "x", "color": ink},
        hovertemplate=f"the float weights {three(weights[0])} and {three(weights[1])}<extra></extra>",
    )  # fmt: skip
    axis = {"range": [_LOW, _HIGH], "tickvals": [0, 1], "showgrid": False, "constrain": "domain"}
    figure.update_layout(
        xaxis={**axis, "title": {"text": "first weight, in steps"}},
        yaxis={**axis, "title": {"text": "second weight, in steps"}, "scaleanchor": "x"},
    )  # fmt: skip
    return figure


def cosines_finding(found: InputCosines) -> str:
    """How far channels go together, in words."""
    return f"Two channels of the input of {found.layer} have a cosine of ±{three(found.typical)} as a rule, not 0"


def cosines(found: InputCosines, *, dark: bool, height: int = 380) -> go.Figure:
    """The cosine between each two channels of a layer's input, from −1 (blue) to 1 (orange)."""
    figure = template.blank(plain(cosines_finding(found)), dark=dark, height=height)
    names = [str(channel) for channel in found.channels]
    blue, ground, orange = colours.MARK["p16"].on(dark), colours.GROUND.on(dark), colours.MARK["p2"].on(dark)
    figure.add_heatmap(
        x=names, y=names, z=[list(row) for row in found.cosines], zmin=-1, zmax=1,
        colorscale=[[0, blue], [0.5, ground], [1, orange]],
        colorbar={"title": {"text": "cosine", "side": "right"}, "thickness": 12, "outlinewidth": 0, "nticks": 5},
        hovertemplate="channels %{x} and %{y}: cosine %{z:.2f}<extra></extra>",
    )  # fmt: skip
    some = names[:: max(1, len(names) // 8)]
    axis = {"type": "category", "showgrid": False, "tickvals": some, "constrain": "domain"}
    figure.update_layout(
        xaxis={**axis, "title": {"text": "input channel"}},
        yaxis={**axis, "title": {"text": "input channel"}, "autorange": "reversed", "scaleanchor": "x"},
    )  # fmt: skip
    return figure


@dataclass(frozen=True, slots=True)
class Rounded:
    """SQNR in decibels of a layer's weights and of its output after one kind of rounding."""

    weights_db: float
    output_db: float


def roundings_finding(rows: Mapping[str, Rounded]) -> str:
    """What the best rounding gains over the first, and what it costs in the weights, in words."""
    first, *others = rows
    best = max(others, key=lambda name: rows[name].output_db)
    gain = rows[best].output_db - rows[first].output_db
    lost = rows[first].weights_db - rows[best].weights_db
    if gain <= 0:
        return f"Nothing gains over {first} here"
    change = f"{decibel(abs(lost))} dB {'worse' if lost > 0 else 'better'}"
    return f"{best}: weights {change}, output {decibel(gain)} dB better"


def roundings(rows: Mapping[str, Rounded], *, dark: bool) -> go.Figure:
    """For each kind of rounding a hollow dot for the weights and a full one for the output.

    Args:
        rows: by their names, rounding to nearest first.
        dark: whether it stands on dark ground.
    """
    figure = template.blank(plain(roundings_finding(rows)), dark=dark, height=90 + 34 * len(rows))
    names, tone, ink = list(rows), colours.ACCENT.on(dark), colours.MUTED.on(dark)
    series = (
        ("weights", [rows[name].weights_db for name in names], colours.GROUND.on(dark), ink),
        ("output", [rows[name].output_db for name in names], tone, tone),
    )
    for what, values, fill, line in series:
        figure.add_scatter(
            x=values, y=names, mode="markers", name=what, customdata=[decibel(value) for value in values],
            marker={"size": 11, "color": fill, "opacity": 1.0, "line": {"width": 1.8, "color": line}},
            hovertemplate=f"%{{y}}: SQNR of the {what} %{{customdata}} dB<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "itemclick": False,
                "itemdoubleclick": False, "font": {"size": 11, "color": ink}},
        xaxis={"title": {"text": "SQNR, dB (right is better)"}, "nticks": 8},
        yaxis={"type": "category", "autorange": "reversed", "tickfont": {"size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure
