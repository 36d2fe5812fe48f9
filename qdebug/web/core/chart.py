"""Put a figure on the page: its title as text that wraps, the drawing below."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec

import plotly.graph_objects as go
import streamlit as st
from streamlit.components.v2 import component

from qdebug.classroom.content import ORDER, lesson
from qdebug.figures.glossary import marked
from qdebug.figures.whys import why
from qdebug.web.core import state
from qdebug.web.core.drawings import Drawing, drawings, finished
from qdebug.web.core.theme import ASSETS

P = ParamSpec("P")
CONFIG = {
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,
    "scrollZoom": False,
    "showTips": False,
}


def of(draw: Callable[P, go.Figure], *args: P.args, **options: P.kwargs) -> Drawing:
    """What a function of ``qdebug.figures`` draws of these arguments: drawn once for all sessions, then found again."""
    return drawings().of(draw, *args, **options)


def show(drawing: Drawing | go.Figure, key: str, about: str = "", **options: Any) -> Any:
    """Put a drawing on the page; its title, which Plotly would cut off, becomes a heading and says why it matters.

    Args:
        drawing: what :func:`of` found, or a figure that is drawn anew in every run.
        key: the chart's key.
        about: names what of the model it shows. As long as that and the model stay, so does what was zoomed into
            (assets/charts.js), whatever becomes of the recipe; nothing is kept where nothing is said.
        options: handed on to ``st.plotly_chart``, such as ``on_select``.
    """
    if not isinstance(drawing, Drawing):
        drawing = finished(drawing)
    revision = f"{about} of {state.ref().model} on {state.ref().data}" if about else None
    with st.container(key=f"chart-{key}", gap=None):
        st.html(f'<h3 class="q-chart-title">{marked(drawing.title, 2)}</h3>{why_html(key)}')
        return st.plotly_chart(drawing.figure(revision), key=key, theme=None, config=CONFIG, **options)


@cache
def why_html(key: str) -> str:
    """Why a chart matters, folded away, with the lesson that tells more; nothing for a lesson's own charts."""
    found = why(key)
    if found is None:
        return ""
    sentence, slug = found
    more = (
        f' <a href="lesson-{slug}" target="_blank">Lesson: {html.escape(lesson(slug).title)}</a>'
        if slug in ORDER
        else ""
    )
    return f'<details class="q-why"><summary>Why this matters</summary><p>{html.escape(sentence)}{more}</p></details>'


@cache
def _saver() -> Any:
    return component("qdebug_charts", html="<span></span>", js=(ASSETS / "charts.js").read_text("utf-8"))


def savable() -> None:
    """Give every chart of the page a button that saves it; called once in every run, by the frame."""
    with st.container(key="hidden-charts"):
        _saver()(key="charts-save")
