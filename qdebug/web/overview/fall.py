"""The overview's way from the float metric to the quantized one, layer by layer."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.waterfall import HOW, By, layer_fall, waterfall, ways
from qdebug.jobs.verbs import GetScore, GetShares
from qdebug.results import ModelInfo, Score, Shares
from qdebug.web.core import ask, chart, growing, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.editing import edits

BY: dict[By, str] = {"alone": "each alone", "share": "by squared error"}


def draw(info: ModelInfo) -> None:
    """The bars, as soon as score and shares are known; nothing where nothing is lost."""
    recipe = state.recipe()
    score = ask.look(GetScore(ref=state.ref(), recipe=recipe), wait=0.0)
    shares = ask.look(GetShares(ref=state.ref(), recipe=recipe), wait=0.0)  # drawn on this screen anyway
    if not isinstance(score, Score) or not isinstance(shares, Shares):
        return
    found = ways(score.metric, shares)
    if not found:
        return
    formats = {layer.name: edits.plan_of(recipe, layer).weight.label for layer in info.layers}
    with st.container(key="card-fall"):
        kept = st.session_state.get("fall-by")
        by = kept if kept in found else found[0]
        fall = layer_fall(score.metric, shares, formats, by)
        chart.show(chart.of(waterfall, fall, dark=is_dark()), "fall", on_select=_picked, selection_mode="points")
        if len(found) > 1:
            st.segmented_control("How", list(found), default=found[0], key="fall-by", format_func=BY.__getitem__,
                                 required=True, label_visibility="collapsed")  # fmt: skip
        st.html(words.quiet(HOW[by]))


def _picked() -> None:
    for point in st.session_state["fall"]["selection"]["points"]:
        if layer := point["customdata"][2]:
            state.choose(layer)
            growing.leave("pages/layers.py")
