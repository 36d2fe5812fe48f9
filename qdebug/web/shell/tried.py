"""The last recipes tried, in the sidebar: each with its score, one click away."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from qdebug.figures import numbers
from qdebug.figures.text import shorten
from qdebug.jobs.verbs import GetScore
from qdebug.recipes import Recipe
from qdebug.results import Score
from qdebug.web.core import ask, state, words

MOST = 5
LONGEST = 26


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe as the list shows it; ``label`` and ``hint`` are Markdown."""

    recipe: Recipe
    label: str
    hint: str
    at_hand: bool


def draw() -> None:
    """A popover, filled when it is open; nothing before a second recipe was tried. Nothing is measured for it."""
    count = len(state.history().trail)
    if count < 2:
        return
    # Under another key it is another popover, and closed: it closes when a recipe was chosen.
    popover = st.popover(
        f"{count} tried", key=f"tried-{state.recipe().digest}", type="tertiary", on_change="rerun",
        help="Recipes tried in this session, with their scores",
    )  # fmt: skip
    if popover.open:
        with popover, st.container(key="tried-list", gap="xsmall"):
            _list(count)


def _list(count: int) -> None:
    for place, entry in enumerate(entries()):
        st.button(
            entry.label, key=f"tried-pick-{place}", help=entry.hint or None, disabled=entry.at_hand, width="stretch",
            on_click=state.change, args=(entry.recipe,),
        )  # fmt: skip
    st.button(f"Compare: all {count}, names, baseline", key="tried-all", type="tertiary", on_click=state.go,
              args=("compare",))  # fmt: skip


def entries() -> tuple[Entry, ...]:
    """The last recipes, newest first; the one at hand is among them wherever it was tried."""
    now, pinned = state.recipe(), state.baseline()
    trail = list(enumerate(state.history().trail, 1))
    made = {one.recipe.digest: one.recipe for _, one in trail}
    last = trail[-MOST:]
    here = [pair for pair in trail if pair[1].recipe == now]
    if here and here[0] not in last:
        last = [*here, *trail[-MOST + 1 :]]
    return tuple(
        _entry(place, one.recipe, made.get(one.parent or ""), one.recipe == now, one.recipe == pinned)
        for place, one in reversed(last)
    )


def _entry(place: int, recipe: Recipe, parent: Recipe | None, at_hand: bool, pinned: bool) -> Entry:
    title = words.recipe_title(recipe)
    called = state.name_of(recipe) or step_in_words(recipe, parent)
    marks = [word for word, here in (("at hand", at_hand), ("baseline", pinned)) if here]
    label = " · ".join([str(place), words.literal(shorten(called, LONGEST)), _value(recipe), *marks])
    hint = words.literal(title) if called != title or len(called) > LONGEST else ""
    return Entry(recipe, label, hint, at_hand)


def step_in_words(recipe: Recipe, parent: Recipe | None) -> str:
    """What was done: the layer and its plan where one layer alone was set, else the recipe in short."""
    if parent is not None and (recipe.default, recipe.fixes) == (parent.default, parent.fixes):
        before, now = dict(parent.layers), dict(recipe.layers)
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if len(changed) == 1:
            plan = now.get(changed[0])
            return f"{changed[0]} {words.plan_in_words(plan) if plan else 'as the rest'}"
    return words.recipe_title(recipe)


def _value(recipe: Recipe) -> str:
    """Its metric where that is known here without asking for it."""
    request = GetScore(ref=state.ref(), recipe=recipe)
    score = ask.look(request, wait=0.0) if ask.is_known(request) else None
    if not isinstance(score, Score):
        return "not measured"
    return numbers.metric_value(score.metric.name, score.metric.quantized)
