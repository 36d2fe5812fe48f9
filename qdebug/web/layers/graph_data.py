"""What the picture of the graph is told: boxes and lines in sight, their colours and their words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdebug.figures import numbers
from qdebug.figures.graph import Box, GraphMeasure, Shade, finding, labels, legend, over, place, shades, visible
from qdebug.figures.text import plural, shorten
from qdebug.recipes import Recipe
from qdebug.results import LayerInfo, LayerTable, ModelGraph, ModelInfo, Shares
from qdebug.web.core.choices import label_of
from qdebug.web.editing import edits

SIZES = {"layer": (204.0, 30.0), "input": (120.0, 24.0), "output": (120.0, 24.0)}
BLOCK = (204.0, 40.0)
MOST_STRIPS = 24
"""Layers that a closed block shows as stripes; of more, each stripe is the worst of a few."""
NAME, HEAD = 19, 24
"""Characters of a name that there is room for, in a box and over an open block."""


@dataclass(frozen=True)
class Known:
    """Everything the picture is made of.

    Attributes:
        info: the model.
        recipe: the recipe at hand.
        graph: the model's graph.
        layers: what was measured of each layer, or None.
        parts: each layer's part in the error, or None.
        fresh: whether the measures belong to this recipe; others are greyed.
    """

    info: ModelInfo
    recipe: Recipe
    graph: ModelGraph
    layers: LayerTable | None
    parts: Shares | None
    fresh: bool


def graph_data(known: Known, opened: Collection[int], measure: GraphMeasure, chosen: str) -> dict[str, Any]:
    """What the component draws: what is in sight, and nothing else."""
    graph = known.graph
    plans = {layer.name: edits.plan_of(known.recipe, layer) for layer in known.info.layers}
    formats = {name: label_of(plan.weight, "weight") for name, plan in plans.items()}
    found = shades(measure, formats, known.layers, known.parts)
    said = labels(graph)
    picture = place(visible(graph, opened), lambda key: _size(graph, key, said))
    teller = _Teller(known, formats, {name: label_of(plan.activation, "activation") for name, plan in plans.items()})
    what, tones = legend(measure)
    return {
        "title": finding(measure, graph, formats, found, known.parts),
        "width": round(picture.width), "height": round(picture.height),
        "boxes": [_box(box, known, measure, found, said, teller, chosen) for box in _ordered(graph, picture.boxes)],
        "lines": [
            {"at": [round(number, 1) for point in line.points for number in point], "ops": _ops(line.ops),
             "open": line.is_open}
            for line in picture.lines
        ],
        "legend": {"what": what, "tones": [*tones, *([] if len(found) >= len(plans) else [("", "not known")])]},
        "chosen": chosen, "fresh": known.fresh or measure == "format", "blocks": len(graph.blocks) > 1,
    }  # fmt: skip


def _ordered(graph: ModelGraph, boxes: Sequence[Box]) -> list[Box]:
    """As a tree is read: a block before what lies in it, all in the order of the graph."""
    return sorted(boxes, key=lambda box: (_first(graph, box.key), box.depth))


def _first(graph: ModelGraph, key: str) -> int:
    return graph.blocks[int(key[1:])].first if key[0] == "b" else int(key[1:])


def _size(graph: ModelGraph, key: str, said: Sequence[str]) -> tuple[float, float]:
    if key[0] == "b":
        return BLOCK
    node = graph.nodes[int(key[1:])]
    return SIZES.get(node.kind, (max(30.0, 14 + 7.2 * len(said[int(key[1:])])), 22.0))


def _ops(ops: tuple[str, ...]) -> str:
    shown = [one.replace("_", " ").strip() for one in ops]
    return " · ".join(shown[:2]) + (" …" if len(shown) > 2 else "")


def _box(
    box: Box, known: Known, measure: GraphMeasure, found: Mapping[str, Shade], said: Sequence[str], teller: _Teller,
    chosen: str,
) -> dict[str, Any]:  # fmt: skip
    place = {"key": box.key, "x": round(box.x, 1), "y": round(box.y, 1), "w": round(box.width, 1),
             "h": round(box.height, 1), "level": box.depth + 1}  # fmt: skip
    index = int(box.key[1:])
    if box.key[0] == "n":
        node = known.graph.nodes[index]
        if node.kind != "layer":
            return {**place, "kind": node.kind, "label": shorten(said[index], 14)}
        shade = found.get(node.name, Shade())
        return {**place, "kind": "layer", "label": shorten(said[index], NAME), "name": node.name,
                "value": shade.text, "tone": shade.tone, "bad": shade.bad, "tip": teller.layer(node.name)}  # fmt: skip
    block = known.graph.blocks[index]
    inside = [node.name for node in known.graph.nodes[block.first : block.stop] if node.kind == "layer"]
    mine = [found.get(name, Shade()) for name in inside]
    shade = over(measure, mine)
    return {
        **place, "kind": "block", "open": box.is_open, "label": shorten(block.label, HEAD if box.is_open else NAME),
        "name": block.name, "value": shade.text, "tone": shade.tone, "bad": shade.bad, "holds": chosen in inside,
        "strips": [] if box.is_open else strips(mine), "count": plural(len(inside), "layer"),
        "tip": teller.block(block.name, inside),
    }  # fmt: skip


def strips(shades_: Sequence[Shade]) -> list[str]:
    """The tones of a block's layers in order; where there are many, the worst of each few that follow one another."""
    per = -(-len(shades_) // MOST_STRIPS) or 1
    return [max((one.tone for one in shades_[at : at + per]), key=_badness) for at in range(0, len(shades_), per)]


def _badness(tone: str) -> int:
    order = ("", "s0", "s1", "s2", "s3", "s4", "p32", "p16", "p8", "p4", "p2")
    return order.index(tone)


class _Teller:
    """The words that stand beside a layer or block when it is pointed at."""

    def __init__(self, known: Known, weights: Mapping[str, str], activations: Mapping[str, str]) -> None:
        self._layers: dict[str, LayerInfo] = {layer.name: layer for layer in known.info.layers}
        self._measured = {row.name: row for row in known.layers.rows} if known.layers else {}
        self._parts = {row.name: row for row in known.parts.rows} if known.parts else {}
        self._weights, self._activations = weights, activations

    def layer(self, name: str) -> list[str]:
        """Name, kind, formats and what was measured."""
        info, row, part = self._layers[name], self._measured.get(name), self._parts.get(name)
        lines = [name, f"{info.op}, {plural(info.params, 'weight')}"]
        reads = "" if info.kind == "embedding" else f", input in {self._activations[name]}"
        lines.append(f"weights in {self._weights[name]}{reads}")
        if row:
            lines.append(f"output SQNR {_db(row.output.sqnr_db)}, weights {_db(row.weight and row.weight.sqnr_db)}")
        if part:
            lines.append(f"{numbers.share(part.share)} of the output error{', predicted' if part.predicted else ''}")
        return lines

    def block(self, name: str, inside: Sequence[str]) -> list[str]:
        """Name, size, and what its layers make together."""
        weights = sum(self._layers[one].params for one in inside)
        lines = [name, f"{plural(len(inside), 'layer')}, {plural(weights, 'weight')}"]
        values = {
            one: row.output.sqnr_db
            for one in inside
            if (row := self._measured.get(one)) and row.output.sqnr_db is not None
        }
        if values:
            worst = min(values, key=lambda one: values[one])
            lines.append(f"lowest output SQNR {_db(values[worst])}, {shorten(worst)}")
        if all(one in self._parts for one in inside):
            total = sum(self._parts[one].share for one in inside)
            lines.append(f"{numbers.share(total)} of the output error, added up")
        return lines


def _db(value: float | None) -> str:
    return "without error" if value is None else f"{numbers.decibel(value)}{numbers.NBSP}dB"
