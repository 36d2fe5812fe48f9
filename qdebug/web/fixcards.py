"""The fixes: a card each, with a live switch, its places, ranges before and after, score before and after."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.figures import before_after, numbers
from qdebug.figures.text import plural
from qdebug.jobs.verbs import GetFixes, GetScore
from qdebug.recipes import Recipe, SmoothQuant, with_fix, without_fix
from qdebug.recipes.fixes import BY_NAME, Fix, name_of
from qdebug.results import FixCard, FixSite, Score
from qdebug.web import ask, chart, state, words
from qdebug.web.strip import significant_loss
from qdebug.web.theme import is_dark

MOST_REFUSED = 6


def draw() -> None:
    """All cards, in the order in which fixes are applied."""
    ask.show("fixes", GetFixes(ref=state.ref(), recipe=state.recipe()), lambda cards, fresh: _cards(cards))


def _cards(cards: tuple[FixCard, ...]) -> None:
    for card in cards:
        with st.container(key=f"card-{card.method}"):
            _card(card)


def fix_of(recipe: Recipe, method: str) -> Fix | None:
    """The recipe's fix of that method, or None where it is off."""
    return next((fix for fix in recipe.fixes if name_of(fix) == method), None)


def _card(card: FixCard) -> None:
    recipe = state.recipe()
    fix = fix_of(recipe, card.method)
    applies = tuple(site for site in card.sites if site.refused is None)
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.html(f'<h2 class="q-card">{html.escape(card.title)}</h2><p class="q-lead">{html.escape(card.about)}</p>'
                f'<p class="q-source">{html.escape(card.source)}</p>')  # fmt: skip
        _switch(card, fix, bool(applies))
        if applies:
            st.html(scores_html(*_scores(recipe, card, fix)))
    with right:
        _ranges(card, applies)
        st.html(sites_html(card))


def _switch(card: FixCard, fix: Fix | None, applies: bool) -> None:
    key = f"fix-{card.method}"
    st.toggle(
        f"Apply {words.inside(card.title)}",
        key=state.put(key, fix is not None),
        disabled=not applies and fix is None,
        on_change=lambda: _toggled(card.method, st.session_state[key]),
    )
    if isinstance(fix, SmoothQuant):
        alpha = f"alpha-{card.method}"
        st.slider(
            "Migration strength α",
            0.0,
            1.0,
            step=0.05,
            key=state.put(alpha, fix.alpha),
            on_change=lambda: state.change(with_fix(state.recipe(), SmoothQuant(alpha=st.session_state[alpha]))),
            help="0 leaves the activations as they are, 1 flattens them entirely.",
        )


def _toggled(method: str, on: bool) -> None:
    recipe = state.recipe()
    state.change(with_fix(recipe, BY_NAME[method]()) if on else without_fix(recipe, method))


def _scores(recipe: Recipe, card: FixCard, fix: Fix | None) -> tuple[Score | None, Score | None]:
    bare = without_fix(recipe, card.method)
    fixed = recipe if fix else with_fix(recipe, BY_NAME[card.method]())
    return tuple(ask.quiet(GetScore(ref=state.ref(), recipe=one)) for one in (bare, fixed))  # type: ignore[return-value]


def scores_html(before: Score | None, after: Score | None) -> str:
    """The score without and with the fix, everything else as it is."""
    known = after or before
    if known is None:
        return '<p class="q-quiet">The score with it is being measured.</p>'
    rows = "".join(_score_row(name, score) for name, score in (("without it", before), ("with it", after)))
    title = html.escape(numbers.metric_title(known.metric.name))
    return (
        f'<table class="q-scores"><tr><th scope="col"></th><th scope="col">{title}</th>'
        f'<th scope="col">change from float</th><th scope="col">flips</th></tr>{rows}</table>'
    )


def _score_row(name: str, score: Score | None) -> str:
    if score is None:
        return f'<tr><td>{name}</td><td colspan="3">measuring</td></tr>'
    metric = score.metric
    bad = ' class="q-bad"' if significant_loss(metric) else ""
    mark = "◆ " if bad else ""
    change, unit = numbers.metric_change(metric.name, metric.delta)
    value = numbers.metric_value(metric.name, metric.quantized)
    return f"<tr><td>{name}</td><td{bad}>{value}</td><td{bad}>{mark}{change} {unit}</td><td>{metric.flips}</td></tr>"


def _ranges(card: FixCard, applies: tuple[FixSite, ...]) -> None:
    shown = [site for site in applies if site.before is not None and site.after is not None]
    if not shown:
        return
    shown.sort(key=lambda site: -site.before.widest_ratio if site.before else 0.0)
    names = {" → ".join(site.layers): site for site in shown}
    key = f"site-{card.method}"
    picked = st.selectbox("Where", list(names), key=key) if len(names) > 1 else next(iter(names))
    site = names[picked]
    if site.before is not None and site.after is not None:
        figure = before_after(site.before, site.after, dark=is_dark())
        chart.show(figure, f"ranges-{card.method}")
        st.html(f'<p class="q-quiet">{html.escape(site.tensor.capitalize())}</p>')


def sites_html(card: FixCard) -> str:
    """Where the fix applies, where not and why."""
    yes = [site for site in card.sites if site.refused is None]
    no = [site for site in card.sites if site.refused is not None]
    head = f"Applies in {plural(len(yes), 'place')}" if yes else "Applies nowhere in this model"
    head += f", not in {len(no)}" if yes and no else ""
    if not card.sites:
        return f'<h3 class="q-chart-title">{head}</h3><p class="q-quiet">What it needs does not occur here.</p>'
    rows = "".join(
        f'<li><code class="q-name">{html.escape(" → ".join(site.layers))}</code>'
        f'<span class="q-why">{html.escape(site.refused or "")}</span></li>'
        for site in no[:MOST_REFUSED]
    )
    more = f'<li class="q-why">and {len(no) - MOST_REFUSED} more</li>' if len(no) > MOST_REFUSED else ""
    return f'<h3 class="q-chart-title">{head}</h3><ul class="q-sites">{rows}{more}</ul>'
