"""Keys for whoever would rather not take the mouse: through layers, through formats, back and forth in the history."""

from __future__ import annotations

import html
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.formats import find
from qdebug.recipes import Recipe, TensorPlan
from qdebug.results import LayerInfo, ModelInfo
from qdebug.web.core import state
from qdebug.web.core.choices import Choice, Tensor, choices, label_of
from qdebug.web.core.theme import ASSETS
from qdebug.web.editing import edits

CYCLE = ("fp32", "fp16", "int8", "int4", "int2")
"""Formats that a key goes through, most bits first, with as many scales as the tensor has now or most layers have."""
HELP = {
    "J K": "next, previous layer", "F": "weights in fewer bits; with Shift, in more",
    "A": "inputs in fewer bits; with Shift, in more", "Z": "undo; with Shift, redo", "/": "find a layer",
    "?": "this list",
}  # fmt: skip
_KEY = "keys"


def draw(info: ModelInfo) -> None:
    """Listen. Nothing is seen of it."""

    def pressed() -> None:
        press(info, str(st.session_state[_KEY].get("press")))

    with st.container(key="hidden-keys"):
        _listener()(key=_KEY, on_press_change=pressed)


@cache
def _listener() -> Any:
    return component("qdebug_keys", html="<span></span>", js=(ASSETS / "keys.js").read_text("utf-8"))


def press(info: ModelInfo, name: str) -> None:
    """Do what a key means; nothing for a name that none has."""
    if name in ("undo", "redo"):
        state.move(-1 if name == "undo" else 1)
        return
    at = next((at for at, one in enumerate(info.layers) if one.name == state.chosen(info)), None)
    if name in ("next", "previous"):
        step = 1 if name == "next" else -1
        state.choose(info.layers[0 if at is None else (at + step) % len(info.layers)].name)
    elif at is not None and name.startswith(("weight", "input")):
        tensor: Tensor = "weight" if name.startswith("weight") else "activation"
        state.change(cycled(state.recipe(), info, info.layers[at], tensor, -1 if name.endswith("back") else 1))


def cycled(recipe: Recipe, info: ModelInfo, layer: LayerInfo, tensor: Tensor, step: int) -> Recipe:
    """The recipe with one tensor of a layer in the next of :data:`CYCLE`, or, with ``step`` −1, the one before."""
    now = getattr(edits.plan_of(recipe, layer), tensor)
    usual = now if find(now.format).is_integer else getattr(recipe.default, tensor)
    offered = [one for one in choices(tensor, layer) if _fits(one, usual)]
    order = sorted(offered, key=lambda one: CYCLE.index(one.plan.format))
    if not order:
        return recipe
    labels = [one.label for one in order]
    here = labels.index(label_of(now, tensor)) if label_of(now, tensor) in labels else -step
    return edits.with_format(recipe, info, (layer.name,), tensor, labels[(here + step) % len(labels)])


def _fits(one: Choice, usual: TensorPlan) -> bool:
    plan = one.plan
    if plan.format not in CYCLE or not find(plan.format).is_integer:
        return plan.format in CYCLE
    if find(usual.format).is_integer:
        return (plan.granularity, plan.group_size) == (usual.granularity, usual.group_size)
    return plan.granularity == "tensor"


def help_html() -> str:
    """The keys in a list."""
    rows = "".join(f"<dt><kbd>{html.escape(key)}</kbd></dt><dd>{html.escape(said)}</dd>" for key, said in HELP.items())
    return f'<dl class="q-facts">{rows}</dl>'
