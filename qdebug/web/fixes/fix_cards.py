"""The fixes, by what they cure: live ones with a switch, slow ones with a trial; where each applies and why not."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.figures import before_after
from qdebug.figures.text import listed, plural
from qdebug.jobs.verbs import GetFixes, GetScore
from qdebug.recipes import Recipe, with_fix, without_fix
from qdebug.recipes.fixes import BY_NAME, Fix, name_of
from qdebug.results import FixCard, FixSite, Score
from qdebug.web.core import ask, chart, growing, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.fixes import fix_findings, fix_parameters, fix_trial
from qdebug.web.fixes.fix_scores import scores_html

MOST_REASONS = 6
MOST_NAMES = 4


def draw() -> None:
    """All cards, grouped by what they cure."""
    growing.follow()
    ask.show("fixes", GetFixes(ref=state.ref(), recipe=state.recipe()), lambda cards, fresh: _groups(cards))


def groups(cards: tuple[FixCard, ...]) -> dict[str, list[FixCard]]:
    """Cards by what they cure, in the order in which the first of each is applied."""
    found: dict[str, list[FixCard]] = {}
    for card in cards:
        found.setdefault(card.cures, []).append(card)
    return found


def _groups(cards: tuple[FixCard, ...]) -> None:
    head = st.container(key="fixes-found")
    here = tuple(card for card in cards if _applies(card) or fix_of(state.recipe(), card.method))
    for cures, group in groups(here).items():
        title = f"{cures[:1].upper()}{cures[1:]}"
        st.html(f'<h2 class="q-group">{html.escape(title)} <small>{plural(len(group), "fix", "fixes")}</small></h2>')
        for card in group:
            with st.container(key=f"card-{card.method}"):
                _card(card)
    _nowhere([card for card in cards if card not in here])
    # Last: a trial may have been answered while its card was drawn.
    head.html(fix_findings.found_html([one for card in cards if (one := _found(card))]))


def _nowhere(cards: list[FixCard]) -> None:
    """Those without a place in this model, each with the reason, out of the way."""
    if cards:
        with st.expander(f"{plural(len(cards), 'fix', 'fixes')} without a place in this model", key="fixes-nowhere"):
            for card in cards:
                with st.container(key=f"card-{card.method}"):
                    st.html(head_html(card))
                    st.html(sites_html(card))


def _applies(card: FixCard) -> bool:
    return any(site.refused is None for site in card.sites)


def _found(card: FixCard) -> fix_findings.Found | None:
    """The metric without and with a card's fix, where both are known already."""
    active = fix_of(state.recipe(), card.method)
    fix = active or state.draft(card.method, BY_NAME[card.method]())
    if card.pace != "live":
        trial = fix_trial.outcome(fix, active)
        if trial is None or trial.before is None or trial.after is None:
            return None
        return fix_findings.Found(card.title, trial.before.metric, trial.after.metric)
    if not _applies(card):
        return None
    bare = without_fix(state.recipe(), card.method)
    both = [GetScore(ref=state.ref(), recipe=one) for one in (bare, with_fix(bare, fix))]
    if not all(map(ask.is_known, both)):
        return None
    before, after = (ask.look(request, wait=0.0) for request in both)
    if not isinstance(before, Score) or not isinstance(after, Score):
        return None
    return fix_findings.Found(card.title, before.metric, after.metric)


def fix_of(recipe: Recipe, method: str) -> Fix | None:
    """The recipe's fix of that method, or None where it is off."""
    return next((fix for fix in recipe.fixes if name_of(fix) == method), None)


def is_live(recipe: Recipe) -> bool:
    """Whether all of a recipe's fixes can follow a click."""
    return all(fix.pace == "live" for fix in recipe.fixes)


def _card(card: FixCard) -> None:
    active = fix_of(state.recipe(), card.method)
    live = card.pace == "live"
    fix = active if live and active else state.draft(card.method, active or BY_NAME[card.method]())
    applies = _applies(card)
    request = None
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.html(head_html(card))
        if live and (applies or active):
            fix_parameters.draw(fix, live=active is not None)
        if live:
            _switch(card, fix, active, applies)
            if applies:
                _scores(fix, active)
        else:
            request = fix_trial.draw(card, fix, active, applies=applies)
    with right:
        if card.outcome:
            st.html(words.quiet(card.outcome))
        _ranges(card)
        st.html(sites_html(card))
        if not live and fix_parameters.of(fix):  # many, and seldom changed
            with st.expander("Parameters", key=f"more-{card.method}"):
                fix_parameters.draw(fix, live=False)
            if changed := fix_parameters.changed(fix):
                st.html(words.quiet(f"Changed: {changed}."))
    if request is not None:
        fix_trial.result(card, request, kept=active == fix)


def head_html(card: FixCard) -> str:
    """Title, what it does, whose it is, and what would have to go for it."""
    gone = f'<p class="q-quiet">Takes the place of {html.escape(listed(card.replaces))}.</p>' if card.replaces else ""
    return (
        f'<h3 class="q-card">{html.escape(card.title)}</h3>{words.lead(card.about)}'
        f'<p class="q-source">{html.escape(card.source)}</p>{gone}'
    )


def _switch(card: FixCard, fix: Fix, active: Fix | None, applies: bool) -> None:
    key = f"fix-{card.method}"
    st.toggle(
        f"Apply {words.inside(card.title)}",
        key=state.put(key, active is not None),
        disabled=not applies and active is None,
        on_change=lambda: _toggled(fix, st.session_state[key]),
    )


def _toggled(fix: Fix, on: bool) -> None:
    recipe = state.recipe()
    state.set_draft(name_of(fix), fix)
    state.change(with_fix(recipe, fix) if on else without_fix(recipe, name_of(fix)))


def _scores(fix: Fix, active: Fix | None) -> None:
    """Without and with it; where that would set slow fixes to work anew, only what is known already."""
    recipe = state.recipe()
    bare = without_fix(recipe, name_of(fix))
    requests = [GetScore(ref=state.ref(), recipe=one) for one in (bare, recipe if active else with_fix(bare, fix))]
    other = requests[0 if active else 1]
    if not is_live(recipe) and not ask.is_known(other):
        st.html(
            '<p class="q-quiet">A slow fix follows it in the recipe: the score is measured when it is switched.</p>'
        )
        return
    before, after = (_score(request) for request in requests)
    st.html(scores_html(before, after))


def _score(request: GetScore) -> Score | None:
    found: Score | None = ask.quiet(request)
    return found


def _ranges(card: FixCard) -> None:
    shown = [site for site in card.sites if site.refused is None and site.before is not None and site.after is not None]
    if not shown:
        return
    shown.sort(key=lambda site: -site.before.widest_ratio if site.before else 0.0)
    names = {site.path: site for site in shown}
    key = f"site-{card.method}"
    picked = st.selectbox("Where", list(names), key=key) if len(names) > 1 else next(iter(names))
    site = names[picked]
    if site.before is not None and site.after is not None:
        figure = chart.of(before_after, site.before, site.after, dark=is_dark())
        chart.show(figure, f"ranges-{card.method}")
        st.html(f'<p class="q-quiet">{html.escape(", ".join(filter(None, (site.tensor.capitalize(), site.note))))}</p>')


def sites_html(card: FixCard) -> str:
    """Where the fix applies, where not and why: a line for each reason."""
    yes = [site for site in card.sites if site.refused is None]
    no = [site for site in card.sites if site.refused is not None]
    head = f"Applies in {plural(len(yes), 'place')}" if yes else "Applies nowhere in this model"
    head += f", not in {len(no)}" if yes and no else ""
    if not card.sites:
        return f'<h4 class="q-chart-title">{head}</h4><p class="q-quiet">What it needs does not occur here.</p>'
    reasons: dict[str, list[FixSite]] = {}
    for site in no:
        reasons.setdefault(site.refused or "", []).append(site)
    shown = list(reasons.items())[:MOST_REASONS]
    rows = "".join(
        f'<li>{_names(sites)}<span class="q-why">{html.escape(reason)}</span></li>' for reason, sites in shown
    )
    more = (
        f'<li class="q-why">and {plural(len(reasons) - len(shown), "more reason")}</li>'
        if len(reasons) > len(shown)
        else ""
    )
    return f'<h4 class="q-chart-title">{head}</h4><ul class="q-sites">{rows}{more}</ul>'


def _names(sites: list[FixSite]) -> str:
    names = [site.path for site in sites]
    shown = ", ".join(f'<code class="q-name">{html.escape(name)}</code>' for name in names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return shown + more
