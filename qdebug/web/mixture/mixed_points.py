"""The points of a front that were measured, in numbers, and what the colours of its map stand for."""

from __future__ import annotations

from qdebug.figures import colours, numbers
from qdebug.figures.mixture import UNITS, smallest_harmless
from qdebug.figures.text import escaped
from qdebug.recipes import parse_format
from qdebug.results import Mixture, MixturePoint
from qdebug.web.core import words
from qdebug.web.shell import sidebar


def legend_html(found: Mixture) -> str:
    """The formats of the map, each in its colour."""
    pills = "".join(
        sidebar.pill_html(words.Pill(name, colours.precision(parse_format(name).weight.format)))
        for name in found.formats
    )
    return f'<div class="q-pills">{pills}</div>'


def table_html(found: Mixture, chosen: MixturePoint) -> str:
    """What was measured, cheapest first; the point at the slider and the smallest that does no harm stand out."""
    measured = sorted((point for point in found.front if point.metric is not None), key=lambda point: point.cost)
    if not measured or measured[0].metric is None:
        return ""
    title = escaped(numbers.metric_title(measured[0].metric.name))
    heads = ("", "bits per weight", "size", "error, predicted", "measured", title)
    if found.unit not in ("bits", "bytes"):
        heads = ("", escaped(UNITS[found.unit][0]), *heads[1:])
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    best = smallest_harmless(found)
    rows = "".join(_row(found, point, point == chosen, point == best) for point in measured)
    return f'<div class="q-scroll q-tall"><table class="q-scores q-wide-scores"><tr>{head}</tr>{rows}</table></div>'


def _row(found: Mixture, point: MixturePoint, chosen: bool, best: bool) -> str:
    assert point.metric is not None
    name = f"all {found.formats[point.columns[0]]}" if len(set(point.columns)) == 1 else "mixture"
    name += ", smallest harmless" if best else ""
    name += ", shown" if chosen else ""
    bad = "" if point.metric.harmless else ' class="q-bad"'
    value = numbers.metric_value(point.metric.name, point.metric.quantized)
    cells = [
        *([numbers.three(point.cost * UNITS[found.unit][1])] if found.unit not in ("bits", "bytes") else []),
        numbers.three(point.bits_per_weight), numbers.size(point.bytes),
        f"<small>{numbers.three(point.predicted)}</small>",
        f"<small>{numbers.three(point.confirmed)}</small>",
    ]  # fmt: skip
    plain = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><td>{escaped(name)}</td>{plain}<td{bad}>{f'◆{numbers.NBSP}' if bad else ''}{value}</td></tr>"
