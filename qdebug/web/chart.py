"""Put a figure on the page: its title as text that wraps, the drawing below."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

CONFIG = {
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,
    "scrollZoom": False,
    "showTips": False,
}


def show(figure: go.Figure, key: str, **options: Any) -> Any:
    """Draw a figure; its title, which Plotly would cut off, becomes a heading of the page.

    Args:
        figure: a figure of ``qdebug.figures``. Its title is moved out of it.
        key: the chart's key.
        options: handed on to ``st.plotly_chart``, such as ``on_select``.
    """
    title = figure["layout"]["title"]["text"] or ""
    figure.update_layout(title=None)
    with st.container(key=f"chart-{key}", gap=None):
        st.html(f'<h3 class="q-chart-title">{title}</h3>')
        return st.plotly_chart(figure, key=key, theme=None, config=CONFIG, **options)
