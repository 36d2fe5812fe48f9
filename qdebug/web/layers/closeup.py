"""Sections of the layer view that look closer: what each shows is computed when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from qdebug.figures.closeup import channel_ridges, error_spectrum, output_scatter, weight_matrix
from qdebug.figures.closeup.matrix import block_note, matrix_finding
from qdebug.figures.closeup.ridges import Order, shown_note
from qdebug.figures.closeup.scatter import scatter_finding, scatter_note
from qdebug.figures.closeup.spectrum import spectrum_finding, spectrum_note
from qdebug.jobs.verbs import GetCloseUp
from qdebug.results import ChannelRidges, ErrorSpectrum, OutputScatter, WeightMatrix
from qdebug.results.closeup import Look
from qdebug.web.core import ask, chart, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.layers.sections import Chosen, Section

ORDERS: dict[Order, str] = {"evenly": "Evenly by width", "worst": "Lowest SQNR"}
CELLS: dict[Look, str] = {"matrix-largest": "Block maximum", "matrix-mean": "Block mean"}
OUTPUTS: dict[Look, str] = {"output-alone": "This layer alone", "output-in-place": "All before it too"}


def _channels(chosen: Chosen) -> None:
    order = _switch("Channels shown", "channels", ORDERS)
    _show(chosen, "channels", lambda found: _ridges(found, order))


def _ridges(found: ChannelRidges, order: Order) -> None:
    if not found.worst and order == "worst":
        st.html(words.lead("No channel has an error: the weights are kept as they are."))
        return
    chart.show(chart.of(channel_ridges, found, order, dark=is_dark()), f"ridges-{order}", f"ridges {found.layer}")
    st.html(words.quiet(shown_note(found, order)))


def _matrix(chosen: Chosen) -> None:
    _show(chosen, _switch("What a cell is", "matrix", CELLS), _drawn_matrix)


def _drawn_matrix(found: WeightMatrix) -> None:
    if found.sqnr_db is None:
        st.html(words.lead(f"{matrix_finding(found)}."))
        return
    chart.show(chart.of(weight_matrix, found, dark=is_dark()), f"matrix-{found.cell}", f"matrix {found.layer}")
    st.html(words.quiet(block_note(found)))


def _spectrum(chosen: Chosen) -> None:
    _show(chosen, "spectrum", _drawn_spectrum)


def _drawn_spectrum(found: ErrorSpectrum) -> None:
    if not found.error:
        st.html(words.lead(f"{spectrum_finding(found)}."))
        return
    chart.show(chart.of(error_spectrum, found, dark=is_dark()), "spectrum", f"spectrum {found.layer}")
    st.html(words.quiet(spectrum_note(found)))


def _output(chosen: Chosen) -> None:
    _show(chosen, _switch("What is quantized", "output", OUTPUTS), _drawn_output)


def _drawn_output(found: OutputScatter) -> None:
    if found.sqnr_db is None:
        st.html(words.lead(f"{scatter_finding(found)}."))
        return
    chart.show(chart.of(output_scatter, found, dark=is_dark()), "scatter", f"scatter {found.layer}")
    st.html(words.quiet(scatter_note(found)))


def _switch(label: str, name: str, options: Mapping[Any, str]) -> Any:
    """A control whose choice stays from layer to layer."""
    key, first = f"closeup-{name}", next(iter(options))
    kept = st.session_state.kept.get(key, first)
    st.segmented_control(
        label, list(options), key=state.put(key, kept), format_func=options.__getitem__, required=True,
        label_visibility="collapsed", on_change=_keep, args=(key,),
    )  # fmt: skip
    return kept


def _keep(key: str) -> None:
    st.session_state.kept[key] = st.session_state[key]


def _show(chosen: Chosen, look: Look, draw: Any) -> None:
    request = GetCloseUp(ref=state.ref(), recipe=state.recipe(), layer=chosen.layer.name, look=look)
    ask.show(f"closeup-{look}", request, lambda found, _: draw(found))


SECTIONS = (
    Section("Channels", _channels),
    Section("Matrix", _matrix),
    Section("Spectrum", _spectrum),
    Section("Output", _output),
)
