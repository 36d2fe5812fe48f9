"""The Diagnose screen: ranked causes, each with its evidence and beside it the fix whose gain was measured."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.diagnosis import TITLES, evidence, fix_words, gain_words
from qdebug.figures.numbers import metric_title, metric_value, percent, share
from qdebug.figures.text import escaped, listed, plural
from qdebug.figures.waterfall import BY_CAUSE, cause_fall, waterfall
from qdebug.jobs.verbs import GetDiagnosis, GetScore
from qdebug.recipes import Recipe
from qdebug.recipes.remedy import remedied
from qdebug.results import Cause, Diagnosis, Metric, Remedy, Score, Trial
from qdebug.web.core import ask, chart, growing, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.core.words import lead

MOST_LAYERS = 4
ONWARD = {"Look for a smaller mixture": "mixture", "Compare": "compare", "Export": "export"}
"""What one does with a sound recipe, and the screen for it."""


def draw() -> None:
    """Everything on the screen."""
    growing.follow()
    ask.show("diagnosis", GetDiagnosis(ref=state.ref(), recipe=state.recipe()), _draw)


def _draw(found: Diagnosis, fresh: bool) -> None:
    st.html(f'<h1 class="q-verdict{"" if found.healthy else " q-bad"}">{escaped(found.text)}.</h1>')
    _last_change()
    shown = _together(found, fresh)
    _fall(found)
    for place, cause in enumerate(found.causes):
        with st.container(key=f"cause-{place}"):
            st.html('<hr class="q-rule">')
            left, right = st.columns([6, 5], gap="large")
            with left:
                _cause(cause, place)
            with right:
                _fix(found, cause, place, fresh, first=not shown and place == first_mended(found))
    if any(cause.tried for cause in found.causes):
        st.html(
            f'<p class="q-quiet">Each fix was tried on the whole recipe, on {plural(found.n, "sample")}. What made '
            "things worse is not offered.</p>"
        )
    if found.healthy:
        _onward()


def _fall(found: Diagnosis) -> None:
    """From the float metric to the quantized one, cause by cause."""
    fall = cause_fall(found)
    if fall is not None:
        chart.show(chart.of(waterfall, fall, dark=is_dark()), "cause-fall", on_select=_opened, selection_mode="points")
        st.html(words.quiet(BY_CAUSE))


def _opened() -> None:
    for point in st.session_state["cause-fall"]["selection"]["points"]:
        if layer := point["customdata"][2]:
            state.choose(layer)
            growing.leave("pages/layers.py")


def first_mended(found: Diagnosis) -> int | None:
    """The place of the cause whose fix wins back most: what to click, where nothing is offered for all causes."""
    mended = [place for place, cause in enumerate(found.causes) if cause.fix is not None]
    return max(mended, key=lambda place: found.causes[place].recovered, default=None)


def _last_change() -> None:
    """What the last step did to the metric, where both sides of it are measured."""
    history = state.history()
    if history.cursor == 0:
        return
    both = [
        GetScore(ref=state.ref(), recipe=recipe) for recipe in history.recipes[history.cursor - 1 : history.cursor + 1]
    ]
    if not all(ask.is_known(request) for request in both):
        return  # not worth a measurement of its own
    before, after = (ask.look(request, wait=0.0) for request in both)
    if isinstance(before, Score) and isinstance(after, Score):
        st.html(change_html(before.metric, after.metric))


def change_html(before: Metric, after: Metric) -> str:
    """The metric before and after a change, in a sentence."""
    first, last = (metric_value(one.name, one.quantized) for one in (before, after))
    title = metric_title(after.name)
    moved = f"left {title} at {last}" if first == last else f"brought {title} from {first} to {last}"
    return f'<p class="q-lead">The last change {escaped(moved)}.</p>'


def _onward() -> None:
    """Where to go from a recipe that does no harm."""
    with st.container(key="diagnosis-onward", horizontal=True, vertical_alignment="center", gap="small"):
        st.html('<p class="q-quiet">From here:</p>', width="content")
        for label, screen in ONWARD.items():
            if st.button(label, key=f"onward-{screen}", type="secondary", width="content"):
                st.switch_page(f"pages/{screen}.py")


def _together(found: Diagnosis, fresh: bool) -> bool:
    """The fixes of all causes in one click; whether there is such a choice."""
    together = found.together
    if together is None or len(together.fixes) < 2:
        return False
    names = listed([fix_words(fix) for fix in together.fixes])
    value = f"{metric_title(found.metric)} {metric_value(found.metric, together.metric)}"
    with st.container(key="diagnosis-together", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="q-lead">Together, {escaped(names)}: {escaped(value)}.</p>', width="content")
        st.button(
            "Apply all", key="diagnosis-all", type="primary", disabled=not fresh, on_click=_apply,
            args=(together.fixes,), help="Puts all of them into the recipe at hand; undo leads back", width="content",
        )  # fmt: skip
    return True


def _cause(cause: Cause, place: int) -> None:
    names = ", ".join(cause.layers[:MOST_LAYERS]) + (
        f" and {len(cause.layers) - MOST_LAYERS} more" if len(cause.layers) > MOST_LAYERS else ""
    )
    st.html(
        f'<h2 class="q-card">{escaped(TITLES.get(cause.kind, cause.kind))}</h2>'
        f'<p class="q-quiet">{share(cause.share)} of the damage; <code>{escaped(names)}</code></p>'
        f"{lead(f'{cause.text}.')}"
    )
    if st.button("Look at the layer", key=f"cause-layer-{place}", type="tertiary"):
        state.choose(cause.layer)
        st.switch_page("pages/layers.py")


def _fix(found: Diagnosis, cause: Cause, place: int, fresh: bool, *, first: bool) -> None:
    title = fix_words(cause.fix) if cause.fix else "No fix"
    st.html(
        f'<h3 class="q-chart-title">{escaped(title[:1].upper() + title[1:])}</h3>'
        f'<p class="q-lead">{escaped(gain_words(found, cause))}</p>'
    )
    if cause.fix is not None and any(cause.fix == other.fix for other in found.causes[:place]):
        st.html('<p class="q-quiet">The same fix as above mends this too.</p>')
    elif cause.fix is not None:
        st.button(
            "Apply", key=f"cause-apply-{place}", type="primary" if first else "secondary", disabled=not fresh,
            on_click=_apply, args=((cause.fix,),), help="Puts it into the recipe at hand; undo leads back",
        )  # fmt: skip
    if cause.tried:
        with st.expander(f"{plural(len(cause.tried), 'fix', 'fixes')} tried", key=f"cause-tried-{place}"):
            st.html(tried_html(found, cause.tried))
    with st.expander("Evidence", key=f"cause-evidence-{place}"):
        st.html(evidence_html(cause))


def evidence_html(cause: Cause) -> str:
    """The numbers that speak for a cause, of the layer where it is worst, as a table."""
    rows = "".join(f"<tr><td>{escaped(name)}</td><td>{escaped(value)}</td></tr>" for name, value in evidence(cause))
    return f'<p class="q-quiet"><code>{escaped(cause.layer)}</code></p><table class="q-scores">{rows}</table>'


def tried_html(found: Diagnosis, tried: tuple[Trial, ...]) -> str:
    """What was tried, as a table."""
    rows = "".join(
        f"<tr><td>{escaped(fix_words(one.fix))}</td>"
        f"<td>{'does not run' if one.metric is None else metric_value(found.metric, one.metric)}</td>"
        f"<td>{percent(one.recovered)}</td></tr>"
        for one in tried
    )
    title = escaped(metric_title(found.metric))
    return (
        f'<table class="q-scores"><tr><th scope="col">fix</th><th scope="col">{title}</th>'
        f'<th scope="col">won back</th></tr>{rows}</table>'
    )


def _apply(fixes: tuple[Remedy, ...]) -> None:
    recipe: Recipe = state.recipe()
    for fix in fixes:
        recipe = remedied(recipe, fix.method, fix.params)
    state.change(recipe)
