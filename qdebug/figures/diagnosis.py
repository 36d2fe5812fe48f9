"""Causes and their fixes in words."""

from __future__ import annotations

from qdebug.figures.numbers import NONE, metric_title, metric_value, percent, three
from qdebug.results import Cause, Diagnosis, Remedy

TITLES: dict[str, str] = {
    "uneven-weights": "Weight ranges uneven between channels",
    "outlier-channels": "Activation outlier channels",
    "tight-range": "Range cut too tight",
    "stretched-range": "Range stretched by a few values",
    "biased-error": "Biased error",
    "too-few-bits": "Too few bits here",
    "fp16-overflow": "fp16 overflow",
    "nan": "NaN",
    "inf": "Inf",
    "dead-channels": "Constant or dead channels",
    "calibration-mismatch": "Calibration data unlike evaluation data",
    "saturation": "Saturation on the target",
    "coarse-values": "Values between layers too coarse",
    "extreme-constant": "An extreme constant sets the range",
}
"""Every kind of cause, as a heading."""

_METHODS = {
    "cle": "cross-layer equalization", "bias-correction": "bias correction", "smoothquant": "SmoothQuant",
    "per-channel": "one scale per channel", "per-group": "one scale per group", "per-token": "one scale per token",
    "dynamic": "ranges at run time", "clip": "another clip range", "recalibrate": "ranges from the evaluation data",
    "more-bits": "more bits", "fewer-bits": "fewer bits", "keep-float": "leaving it in float",
    "round-to-nearest": "rounding to nearest", "between-float": "values between layers in float",
}  # fmt: skip


def fix_words(fix: Remedy) -> str:
    """A fix in words, without the layers that it names."""
    parts: list[str] = []
    for one in fix.method.split(","):
        name, _, detail = one.partition(":")
        if name == "range":
            parts.append(f"ranges by {detail.replace('_', ' ')}")
        elif name == "format":
            parts.append(f"the format {detail}")
        else:
            parts.append(_METHODS.get(name, name))
    words = " and ".join(parts)
    return f"{words} (α = {three(fix.params['alpha'])})" if "alpha" in fix.params else words


def gain_words(found: Diagnosis, cause: Cause) -> str:
    """What a cause's fix does to the metric, or that nothing helped."""
    if cause.fix is None:
        return f"Nothing of what was tried helps ({len(cause.tried)} tried)." if cause.tried else "No fix is known."
    before, after = (
        NONE if value is None else metric_value(found.metric, value)
        for value in (cause.metric_before, cause.metric_after)
    )
    return f"{metric_title(found.metric)} {before} → {after}, wins back {percent(cause.recovered)} of the loss"


def evidence(cause: Cause) -> tuple[tuple[str, str], ...]:
    """The numbers that speak for a cause, as far as they are single ones: what each is, and its value."""
    return tuple(
        (
            name.replace("_", " ").replace("sqnr db", "SQNR, dB"),
            three(value) if isinstance(value, float) else str(value),
        )
        for name, value in cause.evidence.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    )
