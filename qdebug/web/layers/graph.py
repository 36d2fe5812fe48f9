"""The graph of the model on its page: which blocks are open, what colours it, and what clicking does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures.graph import MEASURES, first_open, path_to
from qdebug.jobs.verbs import GetGraph, GetShares
from qdebug.results import LayerTable, ModelGraph, ModelInfo, Shares
from qdebug.web.core import ask, state
from qdebug.web.core.theme import ASSETS
from qdebug.web.layers.graph_data import Known, graph_data

KEY = "layers-graph"
VIEWS = {"table": "Table", "graph": "Graph"}


@cache
def _component() -> Any:
    return component(
        "qdebug_graph",
        html='<div class="wrap"></div>',
        css=(ASSETS / "graph.css").read_text("utf-8"),
        js=(ASSETS / "graph.js").read_text("utf-8"),
    )


def view() -> str:
    """A control that chooses between table and graph; it keeps the choice when another screen is shown."""
    kept = st.session_state.kept.setdefault("layers-view", "table")
    st.segmented_control(
        "View", list(VIEWS), key=state.put("layers-view", kept), format_func=VIEWS.__getitem__, required=True,
        label_visibility="collapsed", width="content", on_change=_keep, args=("layers-view",),
    )  # fmt: skip
    return kept


def _keep(name: str) -> None:
    st.session_state.kept[name] = st.session_state[name]


def draw(info: ModelInfo, layers: LayerTable | None, parts: Shares | None, chosen: str, *, fresh: bool) -> None:
    """The picture, as soon as the graph is known."""
    graph, known = ask.latest("graph", GetGraph(ref=state.ref()))
    if graph is not None and known:
        _picture(Known(info, state.recipe(), graph, layers, parts, fresh), chosen)


@st.fragment
def _picture(known: Known, chosen: str) -> None:
    """Opening blocks and changing colours draws this alone; choosing a layer draws the page."""
    if (state.chosen(known.info) or chosen) != chosen:
        st.rerun()
    if known.parts is None:  # predictions come first
        known = replace(known, parts=ask.part(GetShares(ref=state.ref(), recipe=known.recipe)))
    kept = st.session_state.kept.setdefault("graph-measure", "share")
    measure = st.segmented_control(
        "Colour by", list(MEASURES), key=state.put("graph-measure", kept), format_func=MEASURES.__getitem__,
        required=True, on_change=_keep, args=("graph-measure",), label_visibility="collapsed",
    )  # fmt: skip
    data = graph_data(known, opened(known.graph, chosen), measure or kept, chosen)
    _component()(key=KEY, data=data, on_choose_change=_chose, on_toggle_change=lambda: _toggled(known.graph))


def opened(graph: ModelGraph, chosen: str) -> frozenset[int]:
    """Which blocks are open; those around a layer that was chosen since are opened too."""
    places: dict[Any, tuple[str, frozenset[int]]] = st.session_state.kept.setdefault("graph-open", {})
    seen, now = places.get(state.ref(), ("", frozenset()))
    if not seen:
        now = first_open(graph, chosen)
    elif seen != chosen:
        now |= path_to(graph, chosen)
    places[state.ref()] = chosen, now
    return now


def _chose() -> None:
    name = st.session_state[KEY].get("choose")
    if isinstance(name, str):
        state.choose(name)


def _toggled(graph: ModelGraph) -> None:
    event = st.session_state[KEY].get("toggle")
    if isinstance(event, dict):
        places = st.session_state.kept["graph-open"]
        seen, now = places[state.ref()]
        places[state.ref()] = seen, toggled(graph, now, str(event.get("key")), is_open=bool(event.get("open")))


def toggled(graph: ModelGraph, now: frozenset[int], key: str, *, is_open: bool) -> frozenset[int]:
    """The open blocks after one (``b3``) or every one (``all``) was opened or closed; others' keys change nothing."""
    if key == "all":
        return frozenset(range(1, len(graph.blocks))) if is_open else frozenset()
    block = int(key[1:]) if key[:1] == "b" and key[1:].isascii() and key[1:].isdigit() else 0
    if not 0 < block < len(graph.blocks):
        return now
    return now | {block} if is_open else now - {block}
