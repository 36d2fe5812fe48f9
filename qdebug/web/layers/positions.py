"""The error of the chosen layer by the position in the sequence."""

from __future__ import annotations

import streamlit as st

from qdebug.figures.positions import position_errors, position_finding
from qdebug.figures.text import plural
from qdebug.jobs.verbs import GetPositionErrors
from qdebug.results import LayerInfo, PositionErrors
from qdebug.web.core import ask, chart, state, words
from qdebug.web.core.theme import is_dark

ABOUT = (
    "Squared error of this layer's output against the power of its float output at each position, over {n}; bands are "
    "95 % intervals. Positions that only fill a sequence up are left out."
)


def draw(layer: LayerInfo) -> None:
    """The chart; only for a layer whose output has positions."""
    request = GetPositionErrors(ref=state.ref(), recipe=state.recipe(), layer=layer.name)
    ask.show("positions", request, lambda found, _: _draw(found))


def _draw(found: PositionErrors) -> None:
    if not (found.alone.has_error or found.whole.has_error):
        st.html(
            words.quiet(f"{position_finding(found)}: nothing before this layer is quantized, nor the layer itself.")
        )
        return
    chart.show(chart.of(position_errors, found, dark=is_dark()), "positions", f"positions {found.layer}")
    st.html(words.quiet(ABOUT.format(n=plural(found.n, "sample"))))
