"""The Diagnose screen: ranked causes, each with its evidence and beside it the fix whose gain was measured."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.figures.diagnosis import TITLES, evidence, fix_words, gain_words
from qdebug.figures.numbers import metric_title, metric_value, percent, share
from qdebug.figures.text import listed, plural
from qdebug.jobs.verbs import GetDiagnosis
from qdebug.recipes import Recipe
from qdebug.recipes.remedy import remedied
from qdebug.results import Cause, Diagnosis, Remedy, Trial
from qdebug.web import ask, state

MOST_LAYERS = 4


def draw() -> None:
    """Everything on the screen."""
    ask.show("diagnosis", GetDiagnosis(ref=state.ref(), recipe=state.recipe()), _draw)


def _draw(found: Diagnosis, fresh: bool) -> None:
    st.html(f'<h1 class="q-verdict{"" if found.healthy else " q-bad"}">{html.escape(found.text)}.</h1>')
    _together(found, fresh)
    for place, cause in enumerate(found.causes):
        with st.container(key=f"cause-{place}"):
            st.html('<hr class="q-rule">')
            left, right = st.columns([6, 5], gap="large")
            with left:
                _cause(cause, place)
            with right:
                _fix(found, cause, place, fresh)
    st.html(
        f'<p class="q-quiet">Each fix was tried on the whole recipe, on {plural(found.n, "sample")}. What made things '
        "worse is not offered.</p>"
    )


def _together(found: Diagnosis, fresh: bool) -> None:
    together = found.together
    if together is None or len(together.fixes) < 2:
        return
    words = listed([fix_words(fix) for fix in together.fixes])
    value = f"{metric_title(found.metric)} {metric_value(found.metric, together.metric)}"
    with st.container(key="diagnosis-together", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="q-lead">Together, {html.escape(words)}: {html.escape(value)}.</p>', width="content")
        st.button(
            "Apply all", key="diagnosis-all", type="primary", disabled=not fresh, on_click=_apply,
            args=(together.fixes,), help="Puts all of them into the recipe at hand; undo leads back", width="content",
        )  # fmt: skip


def _cause(cause: Cause, place: int) -> None:
    names = ", ".join(cause.layers[:MOST_LAYERS]) + (
        f" and {len(cause.layers) - MOST_LAYERS} more" if len(cause.layers) > MOST_LAYERS else ""
    )
    st.html(
        f'<h2 class="q-card">{html.escape(TITLES.get(cause.kind, cause.kind))}</h2>'
        f'<p class="q-quiet">{share(cause.share)} of the damage; <code>{html.escape(names)}</code></p>'
        f'<p class="q-lead">{html.escape(cause.text)}.</p>'
    )
    if st.button("Look at the layer", key=f"cause-layer-{place}", type="tertiary"):
        state.choose(cause.layer)
        st.switch_page("pages/layers.py")


def _fix(found: Diagnosis, cause: Cause, place: int, fresh: bool) -> None:
    title = fix_words(cause.fix) if cause.fix else "No fix"
    st.html(
        f'<h3 class="q-chart-title">{html.escape(title[:1].upper() + title[1:])}</h3>'
        f'<p class="q-lead">{html.escape(gain_words(found, cause))}</p>'
    )
    if cause.fix is not None:
        st.button(
            "Apply", key=f"cause-apply-{place}", disabled=not fresh, on_click=_apply, args=((cause.fix,),),
            help="Puts it into the recipe at hand; undo leads back",
        )  # fmt: skip
    if cause.tried:
        with st.expander(f"{plural(len(cause.tried), 'fix', 'fixes')} tried", key=f"cause-tried-{place}"):
            st.html(tried_html(found, cause.tried))
    with st.expander("Evidence", key=f"cause-evidence-{place}"):
        st.html(evidence_html(cause))


def evidence_html(cause: Cause) -> str:
    """The numbers that speak for a cause, of the layer where it is worst, as a table."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in evidence(cause)
    )
    return f'<p class="q-quiet"><code>{html.escape(cause.layer)}</code></p><table class="q-scores">{rows}</table>'


def tried_html(found: Diagnosis, tried: tuple[Trial, ...]) -> str:
    """What was tried, as a table."""
    rows = "".join(
        f"<tr><td>{html.escape(fix_words(one.fix))}</td>"
        f"<td>{'does not run' if one.metric is None else metric_value(found.metric, one.metric)}</td>"
        f"<td>{percent(one.recovered)}</td></tr>"
        for one in tried
    )
    title = html.escape(metric_title(found.metric))
    return (
        f'<table class="q-scores"><tr><th scope="col">fix</th><th scope="col">{title}</th>'
        f'<th scope="col">won back</th></tr>{rows}</table>'
    )


def _apply(fixes: tuple[Remedy, ...]) -> None:
    recipe: Recipe = state.recipe()
    for fix in fixes:
        recipe = remedied(recipe, fix.method, fix.params)
    state.change(recipe)
