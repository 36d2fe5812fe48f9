"""The table of layers on its page: what is asked for it, and what picking does."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.shares import shares_finding
from qdebug.jobs.verbs import GetLayers, GetShares
from qdebug.results import LayerInfo, ModelInfo
from qdebug.web import ask, edits, state, table
from qdebug.web.choices import Tensor


def draw(info: ModelInfo) -> None:
    """The table; formats can be changed while measures are awaited."""
    recipe = state.recipe()
    with st.container(key="slot-table"):
        measured, fresh = ask.latest("layers", GetLayers(ref=state.ref(), recipe=recipe))
        shares, shares_fresh = ask.latest("shares", GetShares(ref=state.ref(), recipe=recipe))
        finding = shares_finding(shares) if shares else "Each layer's share is being measured"
        st.html(f'<p class="q-lead">{finding}.</p>')
        data = table.table_data(info, recipe, measured, shares, chosen(info).name, fresh=fresh and shares_fresh)
        table.draw(data, "layers-table", state.choose, lambda *pick: _picked(info, *pick))


def chosen(info: ModelInfo) -> LayerInfo:
    """The chosen layer: before anyone chose, the one that does most damage, if that is known."""
    shares = ask.look(GetShares(ref=state.ref(), recipe=state.recipe()), wait=0.0)
    rows = getattr(shares, "rows", ())
    name = state.chosen(info, max(rows, key=lambda row: row.share).name if rows else None)
    return next(layer for layer in info.layers if layer.name == name)


def _picked(info: ModelInfo, layer: str, tensor: Tensor, label: str) -> None:
    state.choose(layer)
    state.change(edits.with_format(state.recipe(), info, (layer,), tensor, label))
