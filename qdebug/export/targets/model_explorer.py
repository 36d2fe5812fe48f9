"""Model Explorer: a number or a word for every layer, drawn on its graph.

Source: ai-edge-model-explorer 0.1.34 (``node_data_builder.py``). A result's key is a node's id: the adapter for PyTorch
programs takes the names in the captured graph, model-explorer-onnx 0.4 the names of the file's nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from qdebug.export.document import Document, json_document
from qdebug.results import LayerTable, ModelInfo, Shares
from qdebug.session.decided import Decided

#: From many decibels (little noise) to few: the stop 0 is the smallest value.
_WORST_FIRST = (
    {"stop": 0, "bgColor": "#b2182b"},
    {"stop": 0.5, "bgColor": "#f7f7f7"},
    {"stop": 1, "bgColor": "#2166ac"},
)
_MOST_LAST = ({"stop": 0, "bgColor": "#f7f7f7"}, {"stop": 1, "bgColor": "#b2182b"})


def output_sqnr(decided: Decided, info: ModelInfo, table: LayerTable) -> Document:
    """Each layer's local output SQNR in decibels; the worst are red."""
    values = {row.name: row.output.sqnr_db for row in table.rows}
    unsaid = [
        f"{name}: it has no error to show (its output is as in float)."
        for name, value in values.items()
        if value is None
    ]
    known = {name: round(value, 3) for name, value in values.items() if value is not None}
    return _node_data("sqnr", "output SQNR (dB)", decided, info, known, _WORST_FIRST, unsaid)


def weight_formats(decided: Decided, info: ModelInfo) -> Document:
    """Each layer's weight format, as a word."""
    words = {layer.layer.name: layer.weight.plan.label for layer in decided.layers}
    return _node_data("formats", "weight format", decided, info, words, (), [])


def damage_shares(decided: Decided, info: ModelInfo, shares: Shares) -> Document:
    """Each layer's share in the damage, in percent; the largest are red."""
    values = {row.name: round(100 * row.share, 3) for row in shares.rows}
    return _node_data("shares", "share of the damage (%)", decided, info, values, _MOST_LAST, [])


def _node_data(
    kind: str, title: str, decided: Decided, info: ModelInfo, values: Mapping[str, float | str],
    gradient: tuple[Mapping[str, object], ...], unsaid: list[str],
) -> Document:  # fmt: skip
    # A graph from PyTorch is drawn with its operators' names, one from ONNX with its nodes'.
    results = {
        (layer.node if info.source == "onnx" else layer.output): {"value": values[layer.layer.name]}
        for layer in decided.layers
        if layer.layer.name in values
    }
    data: dict[str, object] = {"name": title, "results": results}
    if gradient:
        data["gradient"] = list(gradient)
    return json_document(f"model-explorer-{kind}.json", data, unsaid)
