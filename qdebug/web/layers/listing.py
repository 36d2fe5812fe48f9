"""The table of layers on its page: what is asked for it, and what picking does."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.shares import shares_finding
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetLayers, GetShares
from qdebug.results import LayerInfo, ModelInfo, Shares
from qdebug.web.core import ask, state
from qdebug.web.core.choices import Tensor
from qdebug.web.editing import edits
from qdebug.web.layers import graph, table


def draw(info: ModelInfo, view: str = "table") -> None:
    """The table, where formats can be changed while measures are awaited, or the graph."""
    recipe = state.recipe()
    with st.container(key="slot-table"):
        measured, fresh = ask.latest("layers", GetLayers(ref=state.ref(), recipe=recipe))
        shares, shares_fresh = ask.latest("shares", GetShares(ref=state.ref(), recipe=recipe))
        with st.container(key="table-body"):
            if view == "graph":
                graph.draw(info, measured, shares, chosen(info).name, fresh=fresh and shares_fresh)
                return
            finding = shares_finding(shares) if shares else "The part of each layer in the error is not known yet"
            st.html(f'<p class="q-lead">{escaped(finding)}.</p>')
            data = table.table_data(info, recipe, measured, shares, chosen(info).name, fresh=fresh and shares_fresh)
            table.draw(data, "layers-table", state.choose, lambda *pick: _picked(info, *pick))


def worst(info: ModelInfo) -> LayerInfo:
    """The layer that does most damage under the recipe at hand; the first while that is not known."""
    shares = ask.look(GetShares(ref=state.ref(), recipe=state.recipe()), wait=0.0)
    rows = shares.rows if isinstance(shares, Shares) else ()
    name = max(rows, key=lambda row: row.share).name if rows else info.layers[0].name
    return next(layer for layer in info.layers if layer.name == name)


def chosen(info: ModelInfo) -> LayerInfo:
    """The chosen layer. The worst, as soon as it is known, is chosen for whoever has not chosen yet."""
    name = state.chosen(info)
    if name is None:
        leading = worst(info)
        if isinstance(ask.look(GetShares(ref=state.ref(), recipe=state.recipe()), wait=0.0), Shares):
            state.choose(leading.name)
        return leading
    return next(layer for layer in info.layers if layer.name == name)


def _picked(info: ModelInfo, layer: str, tensor: Tensor, label: str) -> None:
    state.choose(layer)
    state.change(edits.with_format(state.recipe(), info, (layer,), tensor, label))
