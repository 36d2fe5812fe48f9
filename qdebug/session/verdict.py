"""The finding in one sentence. Pure: results in, words out."""

from __future__ import annotations

from qdebug.results import LayerDetail, Metric, Score, Shares, Verdict
from qdebug.results.score import is_fraction, metric_words

#: A float accuracy this low is no model's; and the margin in points from which a sentence should say how wide it is.
_HOPELESS = 0.05
_UNSURE = 5.0


def verdict(score: Score, shares: Shares, worst: LayerDetail | None) -> Verdict:
    """What is wrong with a recipe, or that nothing is.

    Args:
        score: the recipe's score.
        shares: the layers' shares.
        worst: the detail of the layer with the largest share, for the reason.
    """
    metric = score.metric
    if metric.quantized != metric.quantized:
        return Verdict(text="The quantized model returns NaN.", worst=(), healthy=False)
    doubt = _doubt(metric)
    if doubt:
        return Verdict(text=doubt, worst=(), healthy=False)
    if metric.harmless:
        return Verdict(text=_healthy(metric) + _margin(metric), worst=(), healthy=True)
    first = shares.leading
    if not first:
        return Verdict(text="The outputs changed, though no layer on its own changes them.", worst=(), healthy=False)
    part = 100 * sum(row.share for row in first)
    reason = f"; {_lower(worst.text)}" if worst and worst.name == first[0].name and not worst.plain else ""
    who = f"{len(first)} of {len(shares.rows)} layers cause{'s' if len(first) == 1 else ''}"
    return Verdict(
        text=f"{who} {part:.0f} % of the damage. Worst is {first[0].name}{reason}".rstrip(".") + ".",
        worst=tuple(row.name for row in first),
        healthy=False,
    )


def _doubt(metric: Metric) -> str:
    """What makes every comparison with this float model pointless, if anything."""
    if metric.name in ("accuracy", "pixel_accuracy", "token_accuracy") and metric.float_ <= _HOPELESS:
        what = "samples" if metric.name == "accuracy" else metric.counted
        return (
            f"The float model itself is right on {100 * metric.float_:.0f} % of the {what}: check that labels and "
            "preprocessing are those it was trained with."
        )
    return ""


def _margin(metric: Metric) -> str:
    """How little is known where samples are few."""
    margin = 50 * (metric.ci95[1] - metric.ci95[0])
    if not is_fraction(metric.name) or margin < _UNSURE:
        return ""
    return f" With so few samples ({metric.n}) the change is known to within {margin:.0f} points only."


def _healthy(metric: Metric) -> str:
    if metric.quantized == metric.float_ and metric.flips == 0:
        return f"Nothing is lost: {_title(metric)} and every prediction stay as they are in float."
    flips = (
        f"{metric.flips} of {metric.predictions} {metric.counted} changed"
        if metric.predictions
        else "outputs moved a little"
    )
    if metric.name == "sqnr_db":  # the float model's has no error and is no number
        part = 10 ** (-metric.quantized / 20)
        kept = f"{_title(metric)} {metric.quantized:.1f} dB"
        return f"This recipe is sound: {kept}, an error of {100 * part:.2g} % of the output."
    quantized, float_ = _number(metric.quantized, metric), _number(metric.float_, metric)
    return f"This recipe is sound: {_title(metric)} {quantized} against {float_} in float, {flips}."


def _number(value: float, metric: Metric) -> str:
    return f"{100 * value:.1f} %" if is_fraction(metric.name) else f"{value:.3g}"


def _title(metric: Metric) -> str:
    return metric_words(metric.name)


def _lower(text: str) -> str:
    first = text.rstrip(".").split(". ")[0]
    return first[:1].lower() + first[1:]
