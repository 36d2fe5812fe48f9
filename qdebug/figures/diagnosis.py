"""Causes and their fixes in words."""

from __future__ import annotations

from qdebug.figures.numbers import NONE, metric_title, metric_value, percent, three
from qdebug.results import Cause, Diagnosis, Remedy
from qdebug.results.diagnosis import method_words

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

_EVIDENCE = {
    "sqnr_db": "SQNR, dB", "isolated_error": "squared output error, this alone", "clipping_share": "clipping's part",
    "clipping_rate": "values clipped", "clip_min": "clip range from", "clip_max": "clip range to",
    "rmin": "smallest value seen", "rmax": "largest value seen", "ordinary_min": "nearly all from",
    "ordinary_max": "nearly all to", "widest_over_median": "widest channel over the median",
    "dead_channels": "channels always zero", "mean_shift_share": "part of the error that is a shift of means",
    "evaluation_min": "smallest value evaluated", "evaluation_max": "largest value evaluated", "nan": "NaN",
    "inf": "infinite values",
}  # fmt: skip
_SHARES = ("clipping_share", "clipping_rate", "mean_shift_share")
_TIMES = ("widest_over_median",)


def fix_words(fix: Remedy) -> str:
    """A fix in words, without the layers that it names."""
    words = method_words(fix.method)
    return f"{words} (α = {three(fix.params['alpha'])})" if "alpha" in fix.params else words


def gain_words(found: Diagnosis, cause: Cause) -> str:
    """What a cause's fix does to the metric, or to the output's error where the metric has nothing to win back."""
    if cause.fix is None:
        return f"Nothing of what was tried helps ({len(cause.tried)} tried)." if cause.tried else "No fix is known."
    before, after = (
        NONE if value is None else metric_value(found.metric, value)
        for value in (cause.metric_before, cause.metric_after)
    )
    moved = f"stays {after}" if before == after else f"{before} → {after}"
    won = f"wins back {percent(cause.recovered)} of the loss"
    if not lost_something(found):
        won = f"takes away {percent(cause.recovered)} of the output's squared error"
    return f"{metric_title(found.metric)} {moved}, {won}"


def lost_something(found: Diagnosis) -> bool:
    """Whether the metric is worse than the float model's: what is won back is then a part of that.

    Otherwise, and for an SQNR, which is no loss of anything else, it is a part of the output's squared error.
    """
    before, after = found.metric_float, found.metric_quantized
    if found.metric == "sqnr_db":
        return False
    if before is None or after is None or before == after:
        return before != after
    return (after > before) == (not found.higher_is_better)


def evidence(cause: Cause) -> tuple[tuple[str, str], ...]:
    """The numbers that speak for a cause, as far as they are single ones: what each is, and its value."""
    return tuple(
        (_EVIDENCE.get(name, name.replace("_", " ")), _number(name, value))
        for name, value in cause.evidence.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    )


def _number(name: str, value: float | str) -> str:
    if name in _SHARES and not isinstance(value, str):
        return percent(value)
    if name in _TIMES and not isinstance(value, str):
        return f"{three(value)}×"
    return three(value) if isinstance(value, float) else str(value)
