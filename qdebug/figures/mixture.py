"""What precision buys: the front of a mixed-precision search, and which layers give way first along it."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, metric_title, metric_value, size, three
from qdebug.figures.text import plain, shorten
from qdebug.figures.tradeoff import log_ticks
from qdebug.formats import find
from qdebug.recipes import parse_format
from qdebug.results import Mixture, MixturePoint

UNITS: dict[str, tuple[str, float]] = {
    "bits": ("bits per weight", 1.0), "bytes": ("size of all parameters, MB", 1e-6),
    "bops": ("bit-operations of a sample, 10⁹", 1e-9), "seconds": ("milliseconds of a sample, modelled", 1e3),
    "joules": ("millijoules of a sample, modelled", 1e3),
}  # fmt: skip
"""What the axis of costs is called, and the factor to its numbers."""


def front_finding(found: Mixture) -> str:
    """Where the front bends: the cheapest mixture with hardly more error than the best, in words."""
    searched = [point for point in found.front if point.origin == "search"]
    same = [point for point in found.front if point.origin == "uniform"]
    for one in same:
        better = [point for point in searched if point.predicted <= one.predicted and point.cost < one.cost]
        if better:
            best = min(better, key=lambda point: point.cost)
            name = found.formats[max(range(len(one.formats)), key=lambda column: one.formats[column])]
            less = 100 * (1 - best.cost / one.cost)
            if less >= 1:
                return f"A mixture errs no more than {name} everywhere and costs {less:.0f}{NBSP}% less"
    return f"{len(searched)} mixtures, none of which is both cheaper and better than another"


def front_figure(found: Mixture, chosen: int | None, *, dark: bool, height: int = 320) -> go.Figure:
    """Cost against predicted error; what was measured is filled."""
    words, factor = UNITS[found.unit]
    figure = template.blank(plain(front_finding(found)), dark=dark, height=height)
    searched = [place for place, point in enumerate(found.front) if point.origin == "search"]
    figure.add_scatter(
        x=[found.front[place].cost * factor for place in searched],
        y=[found.front[place].predicted for place in searched],
        mode="lines", line={"color": colours.PLAIN.on(dark), "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    for place, point in enumerate(found.front):
        _draw_point(figure, found, place, point, place == chosen, factor, dark)
    values = [value for point in found.front for value in (point.predicted, point.confirmed) if value]
    figure.update_layout(
        xaxis={"title": {"text": words}, "nticks": 8, "rangemode": "tozero" if found.unit != "bits" else "normal"},
        yaxis={"title": {"text": "squared output error per sample, log"}, "type": "log", "exponentformat": "power",
               "tickvals": log_ticks(values) if len(values) < 4 else None, "nticks": 6},
    )  # fmt: skip
    return figure


def _draw_point(
    figure: go.Figure, found: Mixture, place: int, point: MixturePoint, chosen: bool, factor: float, dark: bool
) -> None:
    uniform = point.origin == "uniform"
    most = found.formats[max(range(len(point.formats)), key=lambda column: point.formats[column])]
    colour = colours.of_format(parse_format(most).weight.format, dark)
    symbol = "square" if uniform else "circle"
    text = [plain(f"all {most}")] if uniform else None
    shown = {"customdata": [[place]], "hovertemplate": f"{_hover(found, point)}<extra></extra>"}
    figure.add_scatter(
        x=[point.cost * factor], y=[point.predicted], mode="markers+text" if uniform else "markers", text=text,
        textposition="top right", textfont={"size": 11, "color": colours.MUTED.on(dark)},
        marker={"size": 14 if chosen else 8, "symbol": f"{symbol}-open", "color": colour,
                "line": {"width": 3 if chosen else 2, "color": colour}},
        **shown,
    )  # fmt: skip
    if point.confirmed:
        figure.add_scatter(
            x=[point.cost * factor], y=[point.confirmed], mode="markers",
            marker={"size": 10 if chosen else 8, "symbol": symbol, "color": colour}, **shown,
        )  # fmt: skip


def _hover(found: Mixture, point: MixturePoint) -> str:
    counts = [f"{count} × {name}" for name, count in zip(found.formats, point.formats, strict=True) if count]
    lines = [
        plain(", ".join(counts)),
        f"{three(point.bits_per_weight)} bits per weight, {size(point.bytes)}",
        f"predicted error {three(point.predicted)}",
    ]
    if point.confirmed is not None:
        lines.append(f"measured error {three(point.confirmed)}")
    if point.metric is not None:
        value = metric_value(point.metric.name, point.metric.quantized)
        lines.append(f"{plain(metric_title(point.metric.name))} {value}")
    return "<br>".join(lines)


def map_finding(found: Mixture) -> str:
    """Which layer keeps the widest format longest, in words."""
    searched = [point for point in found.front if point.origin == "search"]
    if len(searched) < 2 or not found.layers:
        return "Every layer's format along the front"
    widths = [
        sum(_bits(found.formats[point.columns[place]]) for point in searched) for place in range(len(found.layers))
    ]
    widest = max(range(len(widths)), key=widths.__getitem__)
    if widths.count(widths[widest]) > 1:
        return "Every layer's format along the front"
    return f"{found.layers[widest]} keeps its precision longest"


def _bits(name: str) -> float:
    return float(find(parse_format(name).weight.format).bits)


def map_figure(found: Mixture, chosen: int | None, *, dark: bool) -> go.Figure:
    """Layers against the front's points, coloured by the precision of the weight; a frame around the chosen one."""
    places = [place for place, point in enumerate(found.front) if point.origin == "search" or place == chosen]
    points = [found.front[place] for place in places]
    factor = UNITS[found.unit][1]
    classes = [colours.precision(parse_format(name).weight.format) for name in found.formats]
    scale = list(colours.MARK)
    steps = [
        [edge, colours.MARK[name].on(dark)]
        for at, name in enumerate(scale)
        for edge in (at / len(scale), (at + 1) / len(scale))
    ]
    names = [shorten(name, 28) for name in found.layers]
    labels = [three(point.cost * factor) for point in points]
    figure = template.blank(plain(map_finding(found)), dark=dark, height=max(160, 15 * len(names) + 50))
    figure.add_heatmap(
        z=[[scale.index(classes[point.columns[row]]) for point in points] for row in range(len(names))],
        text=[[plain(found.formats[point.columns[row]]) for point in points] for row in range(len(names))],
        customdata=[[plain(name)] * len(points) for name in found.layers],
        x=list(range(len(points))), y=list(range(len(names))), zmin=-0.5, zmax=len(scale) - 0.5, xgap=1, ygap=1,
        colorscale=steps, showscale=False,
        hovertemplate="%{customdata}<br>%{text}<extra></extra>",
    )  # fmt: skip
    if chosen in places:
        at = places.index(chosen)
        figure.add_shape(
            type="rect", x0=at - 0.5, x1=at + 0.5, y0=-0.5, y1=len(names) - 0.5,
            line={"color": colours.INK.on(dark), "width": 2},
        )  # fmt: skip
    every = max(1, -(-len(points) // 12))
    figure.update_layout(
        xaxis={"title": {"text": UNITS[found.unit][0]}, "tickvals": list(range(0, len(points), every)),
               "ticktext": labels[::every], "showgrid": False},
        yaxis={"tickvals": list(range(len(names))), "ticktext": [plain(name) for name in names],
               "autorange": "reversed", "showgrid": False, "tickfont": {"family": template.MONO, "size": 11}},
    )  # fmt: skip
    return figure
