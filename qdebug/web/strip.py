"""The score strip: on every screen, and the thing that moves."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.figures import numbers
from qdebug.figures.colours import TROUBLE_MARK
from qdebug.figures.text import plural
from qdebug.jobs.verbs import GetScore
from qdebug.results import Metric, Score
from qdebug.web import ask, state


def draw() -> None:
    """Draw the score of the recipe at hand, or the last one, greyed, while it is measured."""
    ask.show("strip", GetScore(ref=state.ref(), recipe=state.recipe()), _draw)


def significant_loss(metric: Metric) -> bool:
    """Whether the interval of the change leaves out zero on the bad side."""
    low, high = metric.ci95
    return high < 0 if metric.higher_is_better else low > 0


def _draw(score: Score, fresh: bool) -> None:
    st.html(strip_html(score, fresh))


def strip_html(score: Score, fresh: bool) -> str:
    """The strip's five cells. Everything that is not a number of ours is escaped."""
    metric, bulk = score.metric, score.size
    bad = significant_loss(metric)
    name = html.escape(numbers.metric_title(metric.name))
    change, unit = numbers.metric_change(metric.name, metric.delta)
    smaller = bulk.float_bytes / bulk.quantized_bytes if bulk.quantized_bytes else 1.0
    low, high = (numbers.metric_change(metric.name, bound)[0] for bound in metric.ci95)
    flips = f"{metric.flips} of {metric.predictions} {metric.counted} changed"
    word = "exact" if score.exact else "estimate"
    cells = (
        _cell(
            f"float {name}",
            numbers.metric_value(metric.name, metric.float_),
            plural(metric.n, "sequence" if metric.name == "perplexity" else "sample"),
        ),
        _cell(
            "quantized",
            numbers.metric_value(metric.name, metric.quantized),
            numbers.metric_interval(metric.name, metric.quantized_ci95),
            bad=bad,
            hint="95 % interval of the quantized value",
        ),
        _cell(
            "change",
            f"{TROUBLE_MARK + ' ' if bad else ''}{change}",
            f"{unit} · {plural(metric.flips, 'flip')}".strip(" ·"),
            bad=bad,
            hint=f"paired 95 % interval {low} to {high}; {flips}",
        ),
        _cell(
            "weights",
            numbers.size(bulk.quantized_bytes),
            f"{numbers.times(smaller)} smaller · {numbers.three(bulk.bits_per_weight)} bits",
            hint="all parameters with scales and zero points, in bits per weight",
        ),
        _cell(
            "recipe", word if fresh else "earlier", numbers.seconds(score.seconds) if fresh else "the last one measured"
        ),
    )
    return f'<section class="q-strip" aria-label="Score of the recipe" aria-live="polite">{"".join(cells)}</section>'


def _cell(label: str, value: str, note: str, *, bad: bool = False, hint: str = "") -> str:
    tone = " q-bad" if bad else ""
    title = f' title="{html.escape(hint)}"' if hint else ""
    return (
        f'<div class="q-cell{tone}"{title}><span class="q-label">{label}</span>'
        f'<span class="q-value">{value}</span> <span class="q-note">{note}</span></div>'
    )
