"""The outcome of a search in a sentence. Pure."""

from __future__ import annotations

from qdebug.results.mixture import Mixture, MixturePoint
from qdebug.results.score import Metric, is_fraction
from qdebug.search.mixed.worst import lost


def words(found: Mixture) -> str:
    """What was chosen and what it keeps, or why nothing was."""
    if found.chosen is not None:
        point = found.front[found.chosen]
        worst = f" {_worst(point)}" if found.judge == "worst-group" else ""
        return f"{_mixture(found, point)}: {point.bits_per_weight:.2f} bits per weight, {_kept(point.metric)}.{worst}"
    if found.max_drop is not None and any(point.confirmed is not None for point in found.front):
        whose = " of every class and group" if found.judge == "worst-group" else ""
        kept = f"None of the mixtures that were measured keeps the metric{whose}"
        return f"{kept}: allow a larger drop, or add wider formats."
    measured = sum(point.confirmed is not None for point in found.front)
    if measured:
        return (
            f"{len(found.front)} mixtures, {measured} of them measured. Set a budget or a largest drop to choose one."
        )
    return f"{len(found.front)} mixtures, predicted; none is measured yet."


def _mixture(found: Mixture, point: MixturePoint) -> str:
    parts = [f"{count} in {name}" for name, count in zip(found.formats, point.formats, strict=True) if count]
    if len(parts) == 1:
        return f"All layers {parts[0].partition(' ')[2]}"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _worst(point: MixturePoint) -> str:
    """What the worst class or group lost, with its interval."""
    if point.metric is None or point.worst is None:
        return ""
    row, name = point.worst, point.metric.name
    if lost(point.metric, row) <= 0 and name != "sqnr_db":
        return "No class or group loses any."
    if is_fraction(name):
        low, high = (100 * end for end in row.ci95)
        return f"The worst is {row.called}: {100 * row.delta:+.1f} points ({low:+.1f} to {high:+.1f}, n = {row.n})."
    if name == "sqnr_db":
        return f"The worst is {row.called}: {row.quantized:.1f} dB (n = {row.n})."
    low, high = row.ci95
    return f"The worst is {row.called}: {name} {row.delta:+.3g} ({low:+.3g} to {high:+.3g}, n = {row.n})."


def _kept(metric: Metric | None) -> str:
    if metric is None:
        return "not measured yet"
    if is_fraction(metric.name):
        return f"{metric.name} {100 * metric.quantized:.1f} % against {100 * metric.float_:.1f} % in float"
    if metric.name == "sqnr_db":
        return f"the output's SQNR is {metric.quantized:.1f} dB"
    return f"{metric.name} {metric.quantized:.4g} against {metric.float_:.4g} in float"
