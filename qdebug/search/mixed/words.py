"""The outcome of a search in a sentence. Pure."""

from __future__ import annotations

from qdebug.results.mixture import Mixture, MixturePoint
from qdebug.results.score import FRACTIONS, Metric


def words(found: Mixture) -> str:
    """What was chosen and what it keeps, or why nothing was."""
    if found.chosen is not None:
        point = found.front[found.chosen]
        return f"{_mixture(found, point)}: {point.bits_per_weight:.2f} bits per weight, {_kept(point.metric)}."
    if found.max_drop is not None and any(point.confirmed is not None for point in found.front):
        return "None of the mixtures that were measured keeps the metric: allow a larger drop, or add wider formats."
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


def _kept(metric: Metric | None) -> str:
    if metric is None:
        return "not measured yet"
    if metric.name in FRACTIONS:
        return f"{metric.name} {100 * metric.quantized:.1f} % against {100 * metric.float_:.1f} % in float"
    if metric.name == "sqnr_db":
        return f"the output's SQNR is {metric.quantized:.1f} dB"
    return f"{metric.name} {metric.quantized:.4g} against {metric.float_:.4g} in float"
