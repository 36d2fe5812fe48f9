"""A format's spec card as the page shows it."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.figures import code_points
from qdebug.formats import FORMATS, SpecCard, card, facts
from qdebug.web.core import chart
from qdebug.web.core.theme import is_dark


def draw(name: str, key: str) -> None:
    """The card of a format: facts, and its code points where there are few."""
    found = card(FORMATS[name])
    st.html(f'<h2 class="q-card">{html.escape(found.title)}</h2>')
    if found.points:
        chart.show(chart.of(code_points, found.points, name, dark=is_dark()), f"points-{key}")
    st.html(card_html(found))


def card_html(found: SpecCard) -> str:
    """The facts of a card."""
    rows = "".join(f"<dt>{key}</dt><dd>{html.escape(value)}</dd>" for key, value in facts(found).items())
    return f'<dl class="q-facts">{rows}</dl>'
