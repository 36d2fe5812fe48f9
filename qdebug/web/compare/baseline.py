"""The pinned recipe, which others are held against."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.text import escaped
from qdebug.recipes import Recipe
from qdebug.web.core import state, words


def draw() -> None:
    """The recipe at hand can be pinned; says what is pinned and leads to the comparison."""
    pinned, now = state.baseline(), state.recipe()
    with st.container(key="baseline", horizontal=True, vertical_alignment="center", gap="small"):
        button(now, "baseline-pin", "Pin as baseline")
        if pinned is not None and pinned != now:
            name = state.name_of(pinned) or words.recipe_title(pinned)
            st.html(f'<p class="q-quiet">Baseline: {escaped(name)}</p>', width="content")
            if st.button("Compare", key="baseline-compare", type="tertiary"):
                st.switch_page("pages/compare.py")


def button(recipe: Recipe, key: str, label: str) -> None:
    """A button that pins a recipe; one that is pinned already says so."""
    pinned = state.baseline() == recipe
    st.button(
        "Pinned as baseline" if pinned else label, key=key, disabled=pinned, on_click=state.pin,
        args=(recipe,), help="Keeps this recipe, in this session, to hold others against on the screen Compare",
        width="content",
    )  # fmt: skip
