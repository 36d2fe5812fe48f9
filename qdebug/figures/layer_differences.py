"""What two recipes, or two versions of a model, make of each layer."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import decibel
from qdebug.figures.text import common_head, plain, plural, telling
from qdebug.results import Comparison, LayerDifference, LayerSide


def outputs_finding(found: Comparison) -> str:
    """How many layers keep more of their output in B, and how many less, in words."""
    pairs = [_pair(layer) for layer in found.layers]
    up = sum(a is not None and (b is None or b > a) for a, b in pairs)
    down = sum(b is not None and (a is None or b < a) for a, b in pairs)
    if not up and not down:
        return "No layer's output is closer to float in one than in the other"
    sides = ((up, "B", "comes" if up == 1 else "come"), (down, "A", "comes" if down == 1 else "come"))
    parts = [f"{plural(number, 'layer')} {verb} closer to float in {side}" for number, side, verb in sides if number]
    return ", ".join(parts)


def layer_differences(found: Comparison, *, dark: bool, most: int = 24) -> go.Figure:
    """The SQNR of each layer's output, float inputs, from A (ring) to B (dot), the largest change first.

    Args:
        found: the comparison; some layer's output has an error on both sides.
        dark: whether it stands on dark ground.
        most: layers that are drawn.
    """
    rows = sorted((layer for layer in found.layers if None not in _pair(layer)), key=lambda one: -abs(_change(one)))
    rows = rows[:most]
    figure = template.blank(plain(outputs_finding(found)), dark=dark, height=70 + 21 * len(rows))
    keys = [layer.name for layer in rows]
    for layer in rows:
        a, b = _pair(layer)
        figure.add_scatter(x=[a, b], y=[layer.name] * 2, mode="lines", hoverinfo="skip",
                           line={"color": colours.PLAIN.on(dark), "width": 2})  # fmt: skip
    told = [[plain(one.name), plain(one.op), _words(one.a), _words(one.b), _signed(one)] for one in rows]
    hover = ("<b>%{customdata[0]}</b>, %{customdata[1]}<br>A %{customdata[2]}<br>B %{customdata[3]}<br>"
             "B − A %{customdata[4]} dB<extra></extra>")  # fmt: skip
    for place, (letter, symbol) in enumerate((("A", "circle-open"), ("B", "circle"))):
        sides = [layer.b if place else layer.a for layer in rows]
        tones = [colours.of_format(side.weight, dark) for side in sides]
        figure.add_scatter(
            x=[side.output_sqnr_db for side in sides], y=keys, mode="markers", name=letter, customdata=told,
            marker={"size": 10, "symbol": symbol, "color": tones, "line": {"width": 2, "color": tones}},
            hovertemplate=hover,
        )  # fmt: skip
    head = common_head(keys)
    figure.update_layout(
        xaxis={"title": {"text": "output SQNR, dB: ring A, dot B"}, "nticks": 7},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False, "tickmode": "array", "tickvals": keys,
               "ticktext": [plain(telling(key, head)) for key in keys],
               "tickfont": {"family": template.MONO, "size": 12, "color": colours.INK.on(dark)}},
    )  # fmt: skip
    return figure


def _pair(layer: LayerDifference) -> tuple[float | None, float | None]:
    return layer.a.output_sqnr_db, layer.b.output_sqnr_db


def _change(layer: LayerDifference) -> float:
    a, b = _pair(layer)
    return 0.0 if a is None or b is None else b - a


def _words(side: LayerSide) -> str:
    formats = [side.weight, *([] if side.activation is None else [f"in {side.activation}"])]
    return plain(f"{decibel(side.output_sqnr_db)} dB, {', '.join([*formats, *side.more, *side.fixes])}")


def _signed(layer: LayerDifference) -> str:
    return f"{'+' if _change(layer) > 0 else ''}{decibel(_change(layer))}"
