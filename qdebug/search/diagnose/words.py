"""A cause in one sentence. Pure: results in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdebug.results import Cause, Metric
from qdebug.results.diagnosis import CauseKind, method_words
from qdebug.results.score import is_fraction, metric_words

_WHAT = {"weight": "the weights", "activation": "the input", "output": "the output"}


_FINE = 30.0
"""SQNR in dB from which nobody would call a format coarse."""


def sentence(kind: CauseKind, tensor: str, layers: Sequence[str], evidence: Mapping[str, Any]) -> str:
    """What a cause is, with its most telling number; without a full stop."""
    where, what = _names(layers), _WHAT[tensor]
    number = evidence.get
    match kind:
        case "uneven-weights":
            return (
                f"The weight ranges of {where} are uneven between channels: the widest is "
                f"{_times(number('widest_over_median'))} the median, and one scale has to serve all of them"
            )
        case "outlier-channels":
            one = number("outlier_channels") == 1
            return (
                f"{number('outlier_channels')} of {number('channels')} channels of {what} of {where} "
                f"{'is an outlier' if one else 'are outliers'}, {'' if one else 'up to '}"
                f"{_times(number('widest_over_median'))} the median, and {'sets' if one else 'set'} the range for all "
                "others"
            )
        case "tight-range":
            return (
                f"The range [{_three(number('clip_min'))}, {_three(number('clip_max'))}] of {what} of {where} is too "
                f"tight: {_percent(number('clipping_share'))} of the error is clipping"
            )
        case "stretched-range":
            return (
                f"A few values stretch the range of {what} of {where} to [{_three(number('rmin'))}, "
                f"{_three(number('rmax'))}], where [{_three(number('ordinary_min'))}, "
                f"{_three(number('ordinary_max'))}] holds nearly all"
            )
        case "biased-error":
            return (
                f"The error that quantizing {what} of {where} makes is a shift of the output's channels: "
                f"{_percent(number('mean_shift_share'))} of it is in their means"
            )
        case "too-few-bits":
            if (number("sqnr_db") or 0.0) >= _FINE:
                return (
                    f"Nothing is odd about {what} of {where}, and {number('format')} keeps {number('sqnr_db'):.1f} dB "
                    "of it, but the model is sensitive to the rest"
                )
            return f"{number('format')} is too coarse for {what} of {where}: {_db(number('sqnr_db'))}"
        case "fp16-overflow":
            return f"{what.capitalize()} of {where} reach {_three(_peak(evidence))}, beyond fp16's largest, 65504"
        case "nan" | "inf":
            many = number(kind) or 0
            word = "NaN" if kind == "nan" else "infinite"
            values = f"1 value that is {word}" if many == 1 else f"{many} values that are {word}"
            data = " on the calibration data" if tensor == "activation" else ""
            verb = "hold" if tensor == "weight" else "holds"
            return f"{what.capitalize()} of {where} {verb} {values}{data}"
        case "dead-channels":
            return (
                f"{number('outlier_channels')} of {number('channels')} channels of {what} of {where} never change, "
                f"and as the widest they set the range: {_times(number('widest_over_median'))} the median"
            )
        case "calibration-mismatch":
            return (
                f"The calibration data are unlike the evaluation data: {what} of {where} was calibrated on "
                f"[{_three(number('rmin'))}, {_three(number('rmax'))}] and meets "
                f"[{_three(number('evaluation_min'))}, {_three(number('evaluation_max'))}]"
            )
        case "saturation":
            return (
                f"{number('saturating')} of {number('pairs')} pairs of products in {where} do not fit 16 bits: x86 "
                "CPUs without VNNI would clip them"
            )
        case "coarse-values":
            source = f"the {number('operator')} of {where}" if number("operator") else where
            return (
                f"{number('format')} is too coarse for the values that come out of {source}: {_db(number('sqnr_db'))}"
            )
        case "extreme-constant":
            return (
                f"A constant of {_three(_peak(evidence))} in {what} of {where}, such as an attention mask's, sets the "
                "range and leaves no code for anything else"
            )


def with_fix(text: str, cause: Cause, metric: Metric | None) -> str:
    """The sentence with what was measured of its fix."""
    if cause.fix is None:
        names = ", ".join(dict.fromkeys(method_words(trial.fix.method) for trial in cause.tried))
        return f"{text}; nothing that was tried helps ({names})" if names else text
    name = metric.name if metric else "metric"
    before, after = (_value(name, value) for value in (cause.metric_before, cause.metric_after))
    method, title = method_words(cause.fix.method), _title(name)
    if before != after and not _is_worse(cause, metric):
        return f"{text}; {method} brings {title} from {before} to {after}"
    stays = f"stays {after}" if before == after else f"goes from {before} to {after}"
    return f"{text}; {method} takes away {_percent(cause.recovered)} of the output's error ({title} {stays})"


def _is_worse(cause: Cause, metric: Metric | None) -> bool:
    """Whether the metric falls with the fix, as it can where chance was kind to the recipe without it."""
    before, after = cause.metric_before, cause.metric_after
    if metric is None or before is None or after is None:
        return False
    return after < before if metric.higher_is_better else after > before


def summed(text: str, cause: Cause, metric: Metric) -> str:
    """The sentence on saturation with what seven bits would do."""
    if cause.fix is None:
        return f"{text}; weights of 7 bits would cost too much ({_value(metric.name, cause.tried[0].metric)})"
    after = _value(metric.name, cause.metric_after)
    return f"{text}; with weights of 7 bits {_percent(cause.recovered)} of them fit ({_title(metric.name)} is {after})"


def summary(causes: Sequence[Cause], healthy: bool, metric: Metric | None) -> str:
    """One sentence on the whole."""
    said = "The model cannot run under this recipe"
    if metric is not None:
        before, after = _value(metric.name, metric.float_), _value(metric.name, metric.quantized)
        title = _title(metric.name)
        said = f"{title[0].upper()}{title[1:]} is {after}"
        if before == after:
            said += ", as in float"
        elif metric.name != "sqnr_db":  # float has no error at all
            said += f", {before} in float"
    if healthy:
        return f"{said}: this recipe is sound" + (", though not everything is well" if causes else "")
    if not causes:
        return f"{said}, and no cause was found"
    many = "one cause explains" if len(causes) == 1 else f"{len(causes)} causes explain"
    return f"{said}: {many} {_percent(min(1.0, sum(cause.share for cause in causes)))} of the damage"


def _names(layers: Sequence[str]) -> str:
    shown = [*layers[:3]]
    more = len(layers) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _peak(evidence: Mapping[str, Any]) -> float:
    both = [evidence.get(name) or 0.0 for name in ("rmin", "rmax", "evaluation_min", "evaluation_max")]
    return max(both, key=abs)


def _title(name: str) -> str:
    return metric_words(name)


def _value(name: str, value: float | None) -> str:
    if value is None or value != value:
        return "nothing"
    if name == "sqnr_db":
        return f"{_three(value)} dB"
    if name == "cosine":
        return f"{value:.4f}"
    return f"{100 * value:.1f} %" if is_fraction(name) else _three(value)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}×"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _db(value: float | None) -> str:
    return "nothing is left of it" if value is None else f"it keeps {value:.1f} dB"
