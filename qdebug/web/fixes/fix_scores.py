"""The score without and with a fix, in a small table."""

from __future__ import annotations

import html

from qdebug.figures import numbers
from qdebug.results import Score
from qdebug.web.shell.strip import significant_loss


def scores_html(before: Score | None, after: Score | None, *, interval: bool = False) -> str:
    """The score without and with the fix, everything else as it is; with the 95 % interval where asked for."""
    known = after or before
    if known is None:
        return '<p class="q-quiet">The score with it is being measured.</p>'
    rows = "".join(_row(name, one, interval) for name, one in (("without it", before), ("with it", after)))
    title = html.escape(numbers.metric_title(known.metric.name))
    more = '<th scope="col">95 % interval</th>' if interval else ""
    return (
        f'<table class="q-scores"><tr><th scope="col"></th><th scope="col">{title}</th>{more}'
        f"{_heads(known.metric.name)}</tr>{rows}</table>"
    )


def _heads(name: str) -> str:
    """What stands behind the metric: of an SQNR, which counts no predictions, the error that it means."""
    heads = ("error of the output",) if name == "sqnr_db" else ("change from float", "flips")
    return "".join(f'<th scope="col">{head}</th>' for head in heads)


def _row(name: str, score: Score | None, interval: bool) -> str:
    if score is None:
        return f'<tr><td>{name}</td><td colspan="{3 + interval}">measuring</td></tr>'
    metric = score.metric
    bad = ' class="q-bad"' if significant_loss(metric) else ""
    mark = "◆ " if bad else ""
    value = numbers.metric_value(metric.name, metric.quantized)
    ends = f"<td>{numbers.metric_interval(metric.name, metric.quantized_ci95)}</td>" if interval else ""
    if metric.name == "sqnr_db":
        rest = f"<td{bad}>{mark}{numbers.error_part(metric.quantized)}</td>"
    else:
        change, unit = numbers.metric_change(metric.name, metric.delta)
        rest = f"<td{bad}>{mark}{change} {unit}</td><td>{metric.flips}</td>"
    return f"<tr><td>{name}</td><td{bad}>{value}</td>{ends}{rest}</tr>"
