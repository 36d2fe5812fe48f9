"""What colours the graph: a measure of each layer, what a block makes of those of its layers, and the legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qdebug.figures import colours
from qdebug.figures.numbers import NBSP, decibel, share
from qdebug.figures.shares import shares_finding
from qdebug.figures.text import plural
from qdebug.results import LayerTable, ModelGraph, Shares

GraphMeasure = Literal["share", "sqnr", "weight_sqnr", "format"]
MEASURES: dict[GraphMeasure, str] = {
    "share": "share of error", "sqnr": "output SQNR", "weight_sqnr": "weight SQNR", "format": "weight format",
}  # fmt: skip
TROUBLE_DB = 10.0
"""Below it the noise has more than a tenth of the signal's power."""
_DECIBELS = (40.0, 30.0, 20.0, TROUBLE_DB)
_PARTS = (0.01, 0.05, 0.15, 0.4)
_BITS = {"p32": "32 bits", "p16": "16", "p8": "7–8", "p4": "4–6", "p2": "below 4"}
_FOCUS = 0.5
"""The part of the error that makes a block the finding."""


@dataclass(frozen=True, slots=True)
class Shade:
    """How a layer or block is coloured.

    Attributes:
        tone: ``s0`` (sound) to ``s4``, the format's precision class, or empty where nothing is known.
        text: the value, without its unit where the legend says it.
        value: what blocks make sums or minima of; None where there is none.
        bad: whether it is marked as trouble.
    """

    tone: str = ""
    text: str = ""
    value: float | None = None
    bad: bool = False


def shades(
    measure: GraphMeasure, formats: Mapping[str, str], layers: LayerTable | None, parts: Shares | None
) -> dict[str, Shade]:
    """Each layer's colour, by its name; layers that were not measured have none.

    Args:
        measure: what is shown.
        formats: each layer's weight format, as the recipe says.
        layers: what was measured of them.
        parts: their parts in the output's error.
    """
    match measure:
        case "format":
            return {name: Shade(colours.precision(label), label) for name, label in formats.items()}
        case "share":
            return {row.name: part_shade(row.share) for row in parts.rows} if parts else {}
        case "sqnr":
            return {row.name: decibel_shade(row.output.sqnr_db) for row in layers.rows} if layers else {}
        case "weight_sqnr":
            rows = layers.rows if layers else ()
            return {row.name: decibel_shade(row.weight.sqnr_db if row.weight else None) for row in rows}


def decibel_shade(value: float | None) -> Shade:
    """The colour of an SQNR; None stands for no error."""
    if value is None:
        return Shade("s0", "no error")
    step = sum(value < bound for bound in _DECIBELS)
    return Shade(f"s{step}", decibel(value), value, bad=value < TROUBLE_DB)


def part_shade(value: float) -> Shade:
    """The colour of a part of the error."""
    return Shade(f"s{sum(value >= bound for bound in _PARTS)}", share(value), value)


def over(measure: GraphMeasure, inside: Sequence[Shade]) -> Shade:
    """What a closed block shows of its layers: their sum, their lowest, or the format if they have one."""
    known = [one for one in inside if one.tone]
    if not known:
        return Shade()
    if measure == "format":
        labels = Counter(one.text for one in known)
        (first, _), *others = labels.most_common()
        return Shade(colours.precision(first), f"{1 + len(others)} formats" if others else first)
    values = [one.value for one in known if one.value is not None]
    if measure == "share":
        return part_shade(sum(values))
    return decibel_shade(min(values) if values else None)


def legend(measure: GraphMeasure) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What is shown with its unit, and the tones with what they mean."""
    if measure == "format":
        return "bits of a weight", tuple(_BITS.items())
    if measure == "share":
        steps = ("below 1", "1–5", "5–15", "15–40", "from 40")
        return "share of the output error, %; blocks: their layers together", _toned(steps)
    what = "of the layer's output, it alone quantized" if measure == "sqnr" else "of the weights"
    return f"SQNR {what}, dB; blocks: the lowest of their layers", _toned(
        ("from 40", "30–40", "20–30", "10–20", "◆ below 10")
    )


def _toned(steps: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"s{at}", text) for at, text in enumerate(steps))


def finding(
    measure: GraphMeasure, graph: ModelGraph, formats: Mapping[str, str], found: Mapping[str, Shade],
    parts: Shares | None,
) -> str:  # fmt: skip
    """What the picture shows, in words."""
    if measure == "format":
        counts = Counter(formats.values()).most_common(3)
        return "Weights: " + ", ".join(f"{plural(number, 'layer')} in {label}" for label, number in counts)
    if measure == "share":
        if not parts:
            return "The part of each layer in the error is not known yet"
        return ("Predicted: " if any(row.predicted for row in parts.rows) else "") + _of_blocks(graph, parts)
    what = "Output SQNR" if measure == "sqnr" else "Weight SQNR"
    values = {name: one.value for name, one in found.items() if one.value is not None}
    if not found:
        return f"{what} of the layers is not known yet"
    if not values:
        return "No layer has an error of its own"
    worst = min(values, key=lambda name: values[name])
    bad = sum(one.bad for one in found.values())
    below = f"{bad} of {plural(len(found), 'layer')} below" if bad else "none is below"
    return f"{what} is lowest in {worst}: {decibel(values[worst])}{NBSP}dB; {below} {TROUBLE_DB:.0f}{NBSP}dB"


def _of_blocks(graph: ModelGraph, parts: Shares) -> str:
    """The smallest block that makes half of the error; without one, which layers do."""
    single = max((row.share for row in parts.rows), default=0.0)
    if single >= _FOCUS:
        return shares_finding(parts)
    mine = {row.name: row.share for row in parts.rows}
    best: tuple[int, float, str] | None = None
    for block in graph.blocks[1:]:
        inside = [node.name for node in graph.nodes[block.first : block.stop] if node.kind == "layer"]
        part = sum(mine.get(name, 0.0) for name in inside)
        if part >= _FOCUS and len(inside) <= len(parts.rows) / 2 and (best is None or len(inside) < best[0]):
            best = len(inside), part, block.name
    if best is None:
        return shares_finding(parts)
    return f"{best[2]} causes {share(best[1])} of the output error with {best[0]} of {len(parts.rows)} layers"
