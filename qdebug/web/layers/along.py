"""The error along the depth: started by a click where the network is large, and linked to the chosen layer."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.along import along_depth
from qdebug.jobs.verbs import GetErrorCourse
from qdebug.results import ErrorCourse, LayerInfo, ModelInfo
from qdebug.web.core import ask, chart, clicked, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.editing import edits

MANY = 100
"""Layers from which on the outputs of all of them are compared only when somebody asks for it."""


def draw(info: ModelInfo, layer: LayerInfo) -> None:
    """The chart, or the button that starts it."""
    request = GetErrorCourse(ref=state.ref(), recipe=state.recipe())
    if len(info.layers) > MANY and not clicked.is_wanted(request):
        st.button("Follow the error along the depth", key="along-start", on_click=clicked.start, args=(request,))
        return
    ask.show("along", request, lambda found, _: _draw(info, layer, found))


def _draw(info: ModelInfo, layer: LayerInfo, found: ErrorCourse) -> None:
    recipe = state.recipe()
    weights = {one.name: edits.plan_of(recipe, one).weight.format for one in info.layers}
    figure = chart.of(along_depth, found, weights, layer.name, dark=is_dark())
    chart.show(figure, "along", "along", on_select=lambda: _picked(info), selection_mode="points")
    st.html(words.quiet("Click a mark to open its layer."))


def _picked(info: ModelInfo) -> None:
    points = st.session_state["along"]["selection"]["points"]
    names = [point["customdata"][0] for point in points if point.get("customdata")]
    if names and any(layer.name == names[0] for layer in info.layers):
        state.choose(names[0])
