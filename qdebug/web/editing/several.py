"""Set several layers at once, by pattern."""

from __future__ import annotations

import streamlit as st

from qdebug.errors import RecipeError
from qdebug.figures.text import escaped, listed, plural
from qdebug.results import ModelInfo
from qdebug.web.core import problem, state
from qdebug.web.core.choices import Tensor, choices
from qdebug.web.editing import edits

KEEP = "keep"


def draw(info: ModelInfo) -> None:
    """A pattern, a weight and an activation format, and how many layers the pattern selects."""
    with st.popover("Set several at once", key="several"):
        pattern = st.text_input(
            "Layers, by pattern",
            value="*",
            key="several-pattern",
            help="* stands for any characters, ? for one: blocks.*.dw",
        )
        left, right = st.columns(2)
        weight = left.selectbox("Weights", _labels("weight"), key="several-weight")
        activation = right.selectbox("Activations", _labels("activation"), key="several-activation")
        try:
            names = edits.matched(pattern, info)
        except RecipeError as error:
            problem.draw(error, "several")
            return
        st.html(f'<p class="q-quiet">{plural(len(names), "layer")}: {escaped(listed(names, most=4))}</p>')
        st.button(
            f"Apply to {plural(len(names), 'layer')}",
            key="several-apply",
            type="primary",
            disabled=weight == KEEP and activation == KEEP,
            on_click=_apply,
            args=(info, names, weight, activation),
        )


def _labels(tensor: Tensor) -> list[str]:
    return [KEEP, *(choice.label for choice in choices(tensor))]


def _apply(info: ModelInfo, names: tuple[str, ...], weight: str, activation: str) -> None:
    recipe = state.recipe()
    wanted: tuple[tuple[Tensor, str], ...] = (("weight", weight), ("activation", activation))
    for tensor, label in wanted:
        if label != KEEP:
            recipe = edits.with_format(recipe, info, names, tensor, label)
    state.change(recipe)
