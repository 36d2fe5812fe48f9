"""The finding in one sentence. Pure: results in, words out."""

from __future__ import annotations

from qdebug.results import LayerDetail, Metric, Score, Shares, Verdict

#: The layers named are the fewest whose shares reach this.
_MOST = 0.6


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
    if harmless(metric):
        return Verdict(text=_healthy(metric), worst=(), healthy=True)
    ordered = sorted(shares.rows, key=lambda row: -row.share)
    count, reached = 0, 0.0
    while count < len(ordered) and reached < _MOST:
        reached += ordered[count].share
        count += 1
    names = tuple(row.name for row in ordered[:count])
    reason = f"; {_lower(worst.text)}" if worst and worst.name == ordered[0].name and worst.text else ""
    who = f"{count} of {len(ordered)} layers cause" if count > 1 else f"1 of {len(ordered)} layers causes"
    return Verdict(
        text=f"{who} {100 * reached:.0f} % of the damage. Worst is {ordered[0].name}{reason}".rstrip(".") + ".",
        worst=names,
        healthy=False,
    )


def harmless(metric: Metric) -> bool:
    """Whether the loss is within noise or below half a point (perplexity: below 1 %)."""
    loss = -metric.delta if metric.higher_is_better else metric.delta
    low, high = metric.ci95
    within_noise = low <= 0 <= high
    small = loss < 0.005 if metric.higher_is_better else loss < 0.01 * abs(metric.float_)
    return loss <= 0 or small or (within_noise and loss < 0.02 * max(abs(metric.float_), 1e-12))


def _healthy(metric: Metric) -> str:
    if metric.quantized == metric.float_ and metric.flips == 0:
        return f"Nothing is lost: {metric.name} and every prediction stay as they are in float."
    flips = (
        f"{metric.flips} of {metric.predictions} predictions changed"
        if metric.predictions
        else "outputs moved a little"
    )
    quantized, float_ = _number(metric.quantized, metric), _number(metric.float_, metric)
    return f"This recipe is sound: {metric.name} {quantized} against {float_} in float, {flips}."


def _number(value: float, metric: Metric) -> str:
    return f"{100 * value:.1f} %" if metric.name in ("accuracy", "agreement") else f"{value:.3g}"


def _lower(text: str) -> str:
    first = text.rstrip(".").split(". ")[0]
    return first[:1].lower() + first[1:]
