"""What precision buys: the front of a mixed-precision search, and which layers give way first along it."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from qdebug.figures import colours, template
from qdebug.figures.numbers import NBSP, metric_change, metric_title, metric_value, size, three
from qdebug.figures.text import plain, plural, shorten
from qdebug.figures.tradeoff import harmless_words, log_ticks
from qdebug.formats import find
from qdebug.recipes import parse_format
from qdebug.results import Mixture, MixturePoint

UNITS: dict[str, tuple[str, float]] = {
    "bits": ("bits per weight", 1.0), "bytes": ("size of all parameters, MB", 1e-6),
    "bops": ("bit-operations of a sample, 10⁹", 1e-9), "seconds": ("milliseconds of a sample, modelled", 1e3),
    "joules": ("millijoules of a sample, modelled", 1e3),
}  # fmt: skip
"""What the axis of costs is called, and the factor to its numbers."""


_ERRORS = {
    "mean": "squared output error per sample, log", "worst-group": "squared output error, worst group, log",
}  # fmt: skip


def smallest_harmless(found: Mixture) -> MixturePoint | None:
    """The cheapest of what was measured that keeps the metric; None where nothing does, or nothing was measured."""
    good = [point for point in found.front if point.metric is not None and point.metric.harmless]
    return min(good, key=lambda point: point.cost, default=None)


def measured_finding(found: Mixture) -> str:
    """What the cheapest harmless point that was measured costs, in words; empty where nothing was measured."""
    metric = next((point.metric for point in found.front if point.metric is not None), None)
    if metric is None:
        return ""
    best, within = smallest_harmless(found), harmless_words(metric.name)
    if best is None or best.metric is None:
        return f"Nothing measured {'keeps' if metric.name == 'sqnr_db' else 'stays'} {within}"
    value = metric_value(metric.name, best.metric.quantized)
    enough = "for" if metric.name == "sqnr_db" else "to stay"
    return f"{three(best.bits_per_weight)} bits per weight are enough {enough} {within}: {value}"


def teachers(found: Mixture) -> str:
    """What predictions were set right by: measured mixtures, and what sweeps have measured of single layers."""
    layers = f" and {plural(found.taught_by_layers, 'single layer')} of sweeps" if found.taught_by_layers else ""
    return f"{plural(found.taught_by, 'measured mixture')}{layers}"


def foreseen(point: MixturePoint) -> float:
    """What a point is predicted to err by, set right where measured points allow it."""
    return point.predicted if point.expected is None else point.expected


def known(point: MixturePoint) -> float:
    """The best that is known of a point's error: measured, else predicted."""
    return foreseen(point) if point.confirmed is None else point.confirmed


def front_finding(found: Mixture) -> str:
    """The cheapest that was measured to do no harm; else where the front bends: what a mixture saves, in words."""
    if said := measured_finding(found):
        return said
    searched = [point for point in found.front if point.origin == "search"]
    same = [point for point in found.front if point.origin == "uniform"]
    for one in same:
        better = [point for point in searched if known(point) <= known(one) and point.cost < one.cost]
        if better:
            best = min(better, key=lambda point: point.cost)
            name = found.formats[max(range(len(one.formats)), key=lambda column: one.formats[column])]
            less = 100 * (1 - best.cost / one.cost)
            if less >= 1:
                return f"A mixture errs no more than {name} everywhere and costs {less:.0f}{NBSP}% less"
    return f"{len(searched)} mixtures, none of which is both cheaper and better than another"


def cost_words(found: Mixture) -> str:
    """What costs are in; times say whether they were measured."""
    words = UNITS[found.unit][0]
    return "milliseconds of a sample, its layers timed here" if found.timed else words


def front_figure(found: Mixture, chosen: int | None, *, dark: bool, height: int = 320) -> go.Figure:
    """Cost against error: predicted, with its interval where measured points set it right; what was measured is filled.

    The line is the best that is known of each point of the front.
    """
    words, factor = cost_words(found), UNITS[found.unit][1]
    figure = template.blank(plain(front_finding(found)), dark=dark, height=height)
    searched = [place for place, point in enumerate(found.front) if point.origin == "search"]
    figure.add_scatter(
        x=[found.front[place].cost * factor for place in searched],
        y=[known(found.front[place]) for place in searched],
        mode="lines", line={"color": colours.PLAIN.on(dark), "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    for place, point in enumerate(found.front):
        _draw_point(figure, found, place, point, place == chosen, factor, dark)
    values = [value for point in found.front for value in (foreseen(point), point.confirmed) if value]
    figure.update_layout(
        xaxis={"title": {"text": words}, "nticks": 8, "rangemode": "tozero" if found.unit != "bits" else "normal"},
        yaxis={"title": {"text": _ERRORS[found.judge]}, "type": "log", "exponentformat": "power",
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
        x=[point.cost * factor], y=[foreseen(point)], mode="markers+text" if uniform else "markers", text=text,
        textposition="top right", textfont={"size": 11, "color": colours.MUTED.on(dark)},
        error_y=_reach(point, colour),
        marker={"size": 14 if chosen else 8, "symbol": f"{symbol}-open", "color": colour,
                "line": {"width": 3 if chosen else 2, "color": colour}},
        **shown,
    )  # fmt: skip
    if point.confirmed:
        figure.add_scatter(
            x=[point.cost * factor], y=[point.confirmed], mode="markers",
            marker={"size": 10 if chosen else 8, "symbol": symbol, "color": colour}, **shown,
        )  # fmt: skip


def _reach(point: MixturePoint, colour: str) -> dict[str, Any] | None:
    """The interval of a prediction that was set right; none for others."""
    if point.expected is None or point.expected_ci95 is None:
        return None
    low, high = point.expected_ci95
    return {
        "type": "data", "symmetric": False, "array": [high - point.expected], "arrayminus": [point.expected - low],
        "thickness": 1.5, "width": 0, "color": colour,
    }  # fmt: skip


def _hover(found: Mixture, point: MixturePoint) -> str:
    counts = [f"{count} × {name}" for name, count in zip(found.formats, point.formats, strict=True) if count]
    lines = [
        plain(", ".join(counts)),
        f"{three(point.bits_per_weight)} bits per weight, {size(point.bytes)}",
        f"predicted error {three(point.predicted)}",
    ]
    if point.expected is not None:
        lines.append(f"set right by {teachers(found)}: {with_interval(point)}")
    if point.confirmed is not None:
        lines.append(f"measured error {three(point.confirmed)}")
    if point.metric is not None:
        value = metric_value(point.metric.name, point.metric.quantized)
        lines.append(f"{plain(metric_title(point.metric.name))} {value}")
        if point.worst is not None:
            change = metric_change(point.metric.name, point.worst.delta)[0]
            lines.append(f"worst: {plain(point.worst.called)} {change}")
    return "<br>".join(lines)


def with_interval(point: MixturePoint) -> str:
    """A prediction that was set right, with its interval, in words."""
    low, high = point.expected_ci95 or (point.expected, point.expected)
    return f"{three(point.expected)} ({three(low)} to {three(high)})"


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
        xaxis={"title": {"text": cost_words(found)}, "tickvals": list(range(0, len(points), every)),
               "ticktext": labels[::every], "showgrid": False},
        yaxis={"tickvals": list(range(len(names))), "ticktext": [plain(name) for name in names],
               "autorange": "reversed", "showgrid": False, "tickfont": {"family": template.MONO, "size": 11}},
    )  # fmt: skip
    return figure
