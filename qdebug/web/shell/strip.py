"""The score strip: on every screen, and the thing that moves."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.errors import Cancelled
from qdebug.figures import numbers
from qdebug.figures.colours import TROUBLE_MARK
from qdebug.figures.text import plural
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetScore
from qdebug.results import Metric, Score
from qdebug.web.core import ask, growing, problem, state


def draw() -> None:
    """Draw the score of the recipe at hand; while it is measured, an estimate of it or, greyed, the last one."""
    request = GetScore(ref=state.ref(), recipe=state.recipe())
    growing.show("strip", request, lambda found, running: _grown(request, found, running))


def _grown(request: GetScore, found: Score | None, running: Running | None) -> None:
    if found is not None:
        if found.exact:
            st.session_state.drawn["strip"] = request
        elif running is None and isinstance(stopped := ask.failure(request), Cancelled):
            problem.draw(stopped, "strip", retry=lambda: ask.forget(request))
        with st.container(key="now-strip"):
            st.html(strip_html(found, fresh=True))
    elif (last := ask.before("strip", request)) is not None:
        with st.container(key="body-strip"):  # greyed while the other is measured
            st.html(strip_html(last, fresh=False))


def significant_loss(metric: Metric) -> bool:
    """Whether the interval of the change leaves out zero on the bad side; an SQNR, whether it is too low."""
    if metric.name in ("sqnr_db", "mse_to_float"):  # any error at all is more than float's none
        return not metric.harmless
    low, high = metric.ci95
    return high < 0 if metric.higher_is_better else low > 0


def strip_html(score: Score, fresh: bool) -> str:
    """The strip's five cells. Everything that is not a number of ours is escaped."""
    metric, bulk = score.metric, score.size
    bad = significant_loss(metric)
    name = html.escape(numbers.metric_title(metric.name))
    change, unit = numbers.metric_change(metric.name, metric.delta)
    smaller = bulk.float_bytes / bulk.quantized_bytes if bulk.quantized_bytes else 1.0
    low, high = (numbers.metric_change(metric.name, bound)[0] for bound in metric.ci95)
    flips = f"{metric.flips} of {metric.predictions} {metric.counted} changed"
    moved = _cell(
        "change", f"{TROUBLE_MARK + ' ' if bad else ''}{change}",
        f"{unit} · {plural(metric.flips, 'flip') if metric.predictions else ''}".strip(" ·"), bad=bad,
        hint=f"paired 95 % interval {low} to {high}; {flips}",
    )  # fmt: skip
    if metric.name == "sqnr_db":
        part = numbers.error_part(metric.quantized)
        moved = _cell(
            "output error", f"{TROUBLE_MARK + ' ' if bad else ''}{part}", "of the output", bad=bad,
            hint="root mean square of the error over that of the float output; sound up to 3.16 %, which is 30 dB",
        )  # fmt: skip
    cells = (
        _cell(
            f"float {name}",
            numbers.metric_value(metric.name, metric.float_),
            plural(metric.n, _unit(metric)) + (f" · in {html.escape(metric.unit)}" if metric.unit else ""),
            hint=numbers.metric_remark(metric),
        ),
        _cell(
            "quantized" if score.exact else "quantized, estimated",
            numbers.metric_value(metric.name, metric.quantized),
            numbers.metric_interval(metric.name, metric.quantized_ci95),
            bad=bad,
            hint="95 % interval of the quantized value",
        ),
        moved,
        _cell(
            "all parameters",
            numbers.size(bulk.quantized_bytes),
            f"{numbers.times(smaller)} smaller · {numbers.three(bulk.bits_per_weight)} bits",
            hint="with scales and zero points; all of it in bits per weight",
        ),
        _standing(score, fresh),
    )
    return f'<section class="q-strip" aria-label="Score of the recipe" aria-live="polite">{"".join(cells)}</section>'


def _standing(score: Score, fresh: bool) -> str:
    """What the numbers are worth, in a word and a remark."""
    if not fresh:
        return _cell("score", "earlier", "the last one measured", hint="of the recipe before; this one's is on its way")
    if score.exact:
        took = "measured on all evaluation data; how long that took"
        return _cell("score", "exact", numbers.seconds(score.seconds), hint=took)
    return _cell("score", "estimate", f"from the first {plural(score.metric.n, _unit(score.metric))}")


def _unit(metric: Metric) -> str:
    return "sequence" if metric.name == "perplexity" else "sample"


def _cell(label: str, value: str, note: str, *, bad: bool = False, hint: str = "") -> str:
    tone = " q-bad" if bad else ""
    title = f' title="{html.escape(hint)}"' if hint else ""
    return (
        f'<div class="q-cell{tone}"{title}><span class="q-label">{label}</span>'
        f'<span class="q-value">{value}</span> <span class="q-note">{note}</span></div>'
    )
