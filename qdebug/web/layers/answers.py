"""The answers that the chosen layer changes, or the whole recipe: from float to quantized, as pictures or text."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.comparison import changes_finding
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetFlips, GetLayerFlips
from qdebug.recipes import Recipe
from qdebug.results import Flips, LayerInfo
from qdebug.web.core import ask, flip_pages, state

PLACE = "answers"
PAGE = 12
LAYER, WHOLE = "This layer alone", "The whole recipe"


def draw(layer: LayerInfo) -> None:
    """What changed, page by page, and the choice of what is quantized."""
    kept = st.session_state.kept.get(PLACE, LAYER)
    st.segmented_control(
        "Quantized", [LAYER, WHOLE], key=state.put(f"{PLACE}-of", kept), required=True, label_visibility="collapsed",
        on_change=_keep,
    )  # fmt: skip
    ref, recipe, alone = state.ref(), state.recipe(), kept == LAYER
    about = (recipe.digest, layer.name) if alone else (recipe.digest,)
    way, start = flip_pages.seen(PLACE, about)
    page = {"direction": way, "start": start, "most": PAGE}
    request = (
        GetLayerFlips(ref=ref, recipe=recipe, layer=layer.name, **page) if alone
        else GetFlips(ref=ref, a=Recipe(), b=recipe, **page)
    )  # fmt: skip
    who = f"Quantized alone, {layer.name}" if alone else "The whole recipe"
    ask.show("answers", request, lambda found, fresh: _draw(about, who, found, fresh=fresh))


def _keep() -> None:
    st.session_state.kept[PLACE] = st.session_state[f"{PLACE}-of"]


def _draw(about: tuple[str, ...], who: str, found: Flips, *, fresh: bool) -> None:
    st.html(f'<h3 class="q-chart-title">{escaped(changes_finding(who, found))}</h3>')
    if sum(found.counts):
        flip_pages.draw(PLACE, about, found, fresh=fresh, page=PAGE, from_float=True)
