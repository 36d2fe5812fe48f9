"""The answers that changed from A to B: pictures or text, what each side says and how surely."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.comparison import flips_finding
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetComparison, GetFlips
from qdebug.recipes import Recipe
from qdebug.results import Comparison, Flips
from qdebug.web.core import ask, flip_pages, state

PLACE = "compare"


def draw(a: Recipe, b: Recipe) -> None:
    """What changed, page by page; nothing where nothing did."""
    compared = ask.look(GetComparison(ref=state.ref(), a=a, b=b), wait=0.0)
    if not isinstance(compared, Comparison) or compared.is_same or not compared.difference.changed:
        return
    about = a.digest, b.digest
    way, start = flip_pages.seen(PLACE, about)
    request = GetFlips(ref=state.ref(), a=a, b=b, direction=way, start=start, most=flip_pages.PAGE)
    with st.container(key="card-compare-flips"):
        ask.show("compare-flips", request, lambda found, fresh: _draw(about, found, fresh=fresh))


def _draw(about: tuple[str, str], found: Flips, *, fresh: bool) -> None:
    title = flips_finding(found.counts, found.unit, found.reference, found.predictions)
    st.html(f'<h2 class="q-found">{escaped(title)}.</h2>')
    flip_pages.draw(PLACE, about, found, fresh=fresh)
