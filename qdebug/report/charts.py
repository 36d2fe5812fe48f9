"""The charts of a report, each under a name that its page puts it in by."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import (
    channel_ranges,
    drift,
    error_parts,
    error_split,
    share_bars,
    subgroup_changes,
    tensor_histogram,
)
from qdebug.results import LayerDetail, Subgroups
from qdebug.results.report import Report


def charts(report: Report) -> dict[str, go.Figure]:
    """All charts, on light ground: paper is white."""
    evaluation = report.evaluation
    formats = {layer.name: layer.weight.format if layer.weight else "fp32" for layer in evaluation.layers}
    found = {
        "shares": share_bars(report.shares, formats, evaluation.metric.name, dark=False, worst=report.verdict.worst)
    }
    if evaluation.groups:
        groups = Subgroups(
            recipe=evaluation.recipe, overall=evaluation.metric, rows=evaluation.groups, seconds=evaluation.seconds
        )
        found["groups"] = subgroup_changes(groups, dark=False)
    for place, layer in enumerate(report.worst):
        found |= {f"layer-{place}-{name}": figure for name, figure in _layer(layer).items()}
    if report.verified and report.verified.layers:
        found["drift"] = drift(report.verified, dark=False)
    return found


def _layer(layer: LayerDetail) -> dict[str, go.Figure]:
    found: dict[str, go.Figure] = {}
    if layer.weight:
        found["weight"] = tensor_histogram(layer.weight, "weights", dark=False)
        found["channels"] = channel_ranges(layer.weight.channels, "output channel", dark=False)
    if layer.activation:
        found["activation"] = tensor_histogram(layer.activation, "inputs", dark=False)
    parts = error_parts(layer.weight and layer.weight.error, layer.activation and layer.activation.error)
    if any(part.whole for part in parts):
        found["split"] = error_split(parts, dark=False)
    return found
