"""The recipes tried in this session, each at its metric, in the order in which they were tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures import numbers
from qdebug.figures.colours import precision
from qdebug.figures.text import escaped, plural, shorten
from qdebug.figures.tradeoff import interval
from qdebug.jobs.verbs import GetScore
from qdebug.recipes import Recipe
from qdebug.results import Metric, Score
from qdebug.web.core import ask, state, words
from qdebug.web.core.state import Tried
from qdebug.web.core.theme import ASSETS

KEY = "compare-trail"
ABOUT = (
    "Each dot is a recipe at its metric, in the order tried; its bar is the 95 % interval against float, sample by "
    "sample. A dashed line is a branch from an older one. Click a dot to return to it: undo leads back, and a change "
    "from there starts a branch."
)


@cache
def _component() -> Any:
    return component(
        "qdebug_trail",
        html='<div class="wrap"></div>',
        css=(ASSETS / "trail.css").read_text("utf-8"),
        js=(ASSETS / "trail.js").read_text("utf-8"),
    )


def draw() -> None:
    """The dots, and what can be done with the recipe at hand; nothing before a second recipe was tried."""
    trail, now = state.history().trail, state.recipe()
    if len(trail) < 2:
        return
    scores = {one.recipe.digest: score for one in trail if (score := _score(one.recipe)) is not None}
    names = {one.recipe.digest: state.name_of(one.recipe) for one in trail}
    pinned = state.baseline()
    data = trail_data(trail, scores, names, now.digest, pinned.digest if pinned else "")
    with st.container(key="trail", gap="small"):
        st.html(f'<h2 class="q-group">{escaped(data["title"])}</h2>')
        _component()(key=KEY, data=data, on_pick_change=_picked)
        with st.container(key="trail-acts", horizontal=True, vertical_alignment="center", gap="small"):
            st.text_input(
                "Name of the recipe at hand", key=state.put(f"trail-name-{now.digest}", state.name_of(now)),
                placeholder="Name the recipe at hand", label_visibility="collapsed", width=240,
                max_chars=state.MOST_NAME, on_change=_named, args=(now,),
            )  # fmt: skip
            if pinned != now:
                st.button(
                    "Pin the one at hand", key="trail-pin", on_click=state.pin, args=(now,), width="content",
                    help="Makes it the baseline that others are held against",
                )  # fmt: skip
        st.html(words.quiet(ABOUT))


def _score(recipe: Recipe) -> Score | None:
    """What is known, or can be known without working a slow fix out anew."""
    request = GetScore(ref=state.ref(), recipe=recipe)
    if any(fix.pace != "live" for fix in recipe.fixes) and not ask.is_known(request):
        return None
    return ask.quiet(request)


def _picked() -> None:
    digest = st.session_state[KEY].get("pick")
    for one in state.history().trail:
        if one.recipe.digest == digest:
            state.change(one.recipe)


def _named(recipe: Recipe) -> None:
    state.call(recipe, st.session_state[f"trail-name-{recipe.digest}"])


def trail_data(
    trail: tuple[Tried, ...], scores: Mapping[str, Score], names: Mapping[str, str], now: str, pinned: str
) -> dict[str, Any]:
    """What the component draws.

    Args:
        trail: the recipes in the order tried, with what each was made from.
        scores: of those that were measured, by digest.
        names: what they were called, by digest.
        now: digest of the recipe at hand.
        pinned: digest of the baseline, or empty.
    """
    metrics = {digest: score.metric for digest, score in scores.items()}
    some = next(iter(metrics.values()), None)
    low, high = _limits(tuple(metrics.values()))
    places = {one.recipe.digest: at for at, one in enumerate(trail)}
    return {
        "title": trail_finding(trail, scores, names, now),
        "ticks": [_tick(some, value, low, high) for value in (low, high)] if some else [],
        "metric": f"{numbers.metric_title(some.name)}{'' if some.higher_is_better else ', lower is better'}"
        if some
        else "",
        "points": [
            _point(one, metrics.get(one.recipe.digest), names, (low, high), now, pinned, places) for one in trail
        ],
    }


def _point(
    one: Tried, metric: Metric | None, names: Mapping[str, str], limits: tuple[float, float], now: str, pinned: str,
    places: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    digest = one.recipe.digest
    name, title = names.get(digest, ""), words.recipe_title(one.recipe)
    marks = [word for word, here in (("at hand", digest == now), ("baseline", digest == pinned)) if here]
    lines = [name, title] if name else [title]
    if metric is None:
        lines.append("not measured")
    else:
        value = numbers.metric_value(metric.name, metric.quantized)
        low, high = interval(metric)
        lines.append(
            f"{numbers.metric_title(metric.name)} {value}, {numbers.metric_interval(metric.name, (low, high))}"
        )
    return {
        "digest": digest, "name": shorten(name, 18), "tip": [*lines, *([", ".join(marks)] if marks else [])],
        "tone": precision(one.recipe.default.weight.label), "now": digest == now, "pinned": digest == pinned,
        "parent": places.get(one.parent) if one.parent else None,
        "at": None if metric is None else _height(metric, metric.quantized, limits),
        "from": None if metric is None else _height(metric, interval(metric)[0], limits),
        "to": None if metric is None else _height(metric, interval(metric)[1], limits),
    }  # fmt: skip


def _scaled(metric: Metric, value: float) -> float:
    """A perplexity counts by its logarithm."""
    if metric.name == "perplexity":
        return -math.log(max(value, 1e-9))
    return value if metric.higher_is_better else -value


def _limits(metrics: tuple[Metric, ...]) -> tuple[float, float]:
    """The metric's values at the bottom and at the top; up is better."""
    if not metrics:
        return 0.0, 1.0
    values = [metric.quantized for metric in metrics]
    values += [] if metrics[0].name == "sqnr_db" else [metric.float_ for metric in metrics]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - max(abs(low) * 0.05, 1e-6), high + max(abs(high) * 0.05, 1e-6)
    return (low, high) if metrics[0].higher_is_better else (high, low)


def _height(metric: Metric, value: float, limits: tuple[float, float]) -> float:
    """Where a value stands between the limits, 0 at the bottom; intervals may reach a little further."""
    low, high = (_scaled(metric, limit) for limit in limits)
    return round(min(1.06, max(-0.06, (_scaled(metric, value) - low) / (high - low))), 4)


def _tick(metric: Metric, value: float, low: float, high: float) -> dict[str, Any]:
    return {"at": _height(metric, value, (low, high)), "text": numbers.metric_value(metric.name, value)}


def trail_finding(trail: tuple[Tried, ...], scores: Mapping[str, Score], names: Mapping[str, str], now: str) -> str:
    """How many were tried, and which was best; of two alike the smaller."""
    measured = [one.recipe for one in trail if one.recipe.digest in scores]
    count = f"{plural(len(trail), 'recipe')} tried"
    if not measured:
        return count

    def rank(recipe: Recipe) -> tuple[float, int]:
        score = scores[recipe.digest]
        sign = 1 if score.metric.higher_is_better else -1
        return sign * score.metric.quantized, -score.size.quantized_bytes

    best = max(measured, key=rank)
    metric = scores[best.digest].metric
    title = names.get(best.digest) or words.recipe_title(best)
    where = "the one at hand" if best.digest == now else title
    value = numbers.metric_value(metric.name, metric.quantized)
    return f"{count}; best: {where}, {numbers.metric_title(metric.name)} {value}"
