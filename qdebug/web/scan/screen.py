"""The Scan screen: a path, what stands out, the chosen tensor, and all of them below it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from qdebug.classroom import workshop
from qdebug.errors import QDebugError
from qdebug.figures import scan as figures
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetScan
from qdebug.recipes import parse_weight_format
from qdebug.results import Scan, ScannedTensor
from qdebug.web.core import ask, chart, problem, words
from qdebug.web.core.theme import is_dark
from qdebug.web.scan import tensor_table
from qdebug.web.shell import frame

USUAL = "int8-pc, int4g128, nf4, mxfp4"


def draw() -> None:
    """Everything on the screen."""
    frame.stand()
    with st.container(key="scan-place"):
        _place()


def _place() -> None:
    st.html(
        '<h1 class="q-page">Scan</h1><p class="q-lead">What a checkpoint\'s tensors hold, and what formats would lose '
        "of them. No model is run.</p>"
    )
    if workshop():
        st.html(words.quiet("In a workshop there are samples alone; files are looked through outside of one."))
        return
    _form()
    request = st.session_state.get("scan")
    if request is not None:
        ask.show("scan", request, _draw)


def _form() -> None:
    """What to look through: a path on the server's disk, where checkpoints are. None is uploaded."""
    with st.form("scan-form", border=False), st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Path on the server", key="scan-path", placeholder="/path/to/model.safetensors",
            help="A .safetensors or .gguf file, or a folder of shards with their index.",
        )  # fmt: skip
        st.text_input(
            "Formats", key="scan-formats", value=USUAL, width=320,
            help="Weight formats with commas between, such as int4g32 or q4_0; none for statistics alone.",
        )  # fmt: skip
        st.form_submit_button("Look through", type="primary", on_click=_ask, width="content")
    if wrong := st.session_state.get("scan-wrong"):
        problem.draw(wrong, "scan-form")


def _ask() -> None:
    here = st.session_state
    here["scan-wrong"] = None
    path = here["scan-path"].strip()
    if not path:
        return
    try:
        request = request_for(path, here["scan-formats"])
    except QDebugError as error:
        here["scan-wrong"] = error
        return
    here["scan"] = request
    ask.forget(request)  # the file may be another by now; the compute process knows whether it is


def request_for(path: str, formats: str) -> GetScan:
    """The question for what was typed.

    Raises:
        RecipeError: a format does not exist.
    """
    names = [name.strip().lower() for name in formats.split(",") if name.strip()]
    names = [] if names == ["none"] else names
    for name in names:
        parse_weight_format(name)
    return GetScan(path=str(Path(path).expanduser().absolute()), formats=tuple(dict.fromkeys(names)))


def _draw(found: Scan, fresh: bool) -> None:
    is_bad = any(one.stats is None or one.stats.nans or sum(one.stats.infinities) for one in found.tensors)
    verdict = escaped(figures.scan_verdict(found))
    st.html(f'<h1 class="q-verdict{" q-bad" if is_bad else ""}">{verdict}.</h1>')
    st.html(words.quiet(figures.scan_facts(found)))
    for sentence in found.findings[1:]:
        st.html(f'<p class="q-lead">{escaped(sentence)}</p>')
    if not found.tensors:
        return
    one = chosen(found)
    _tensor(found, one)
    tensor_table.draw(found, one.name, "scan-table", _choose)


def chosen(found: Scan) -> ScannedTensor:
    """The tensor that was clicked, or else the one with the highest crest factor."""
    name = st.session_state.get("scan-tensor")
    picked = next((one for one in found.tensors if one.name == name), None)
    return picked or max(found.tensors, key=lambda one: (one.stats.crest if one.stats else None) or 0.0)


def _choose(name: str) -> None:
    st.session_state["scan-tensor"] = name


def _tensor(found: Scan, one: ScannedTensor) -> None:
    st.html(f'<h2 class="q-card"><code class="q-name">{escaped(one.name)}</code></h2>')
    st.html(words.quiet(figures.tensor_facts(one)))
    if one.why:
        st.html(f'<p class="q-lead">{escaped(one.why[:1].upper() + one.why[1:])}.</p>')
    left, right = st.columns(2, gap="large")
    if one.stats is not None:
        with left:
            chart.show(chart.of(figures.octave_histogram, one.stats, dark=is_dark()), "octaves")
    if one.added:
        with right:
            chart.show(chart.of(figures.loss_bars, one, found.totals, dark=is_dark()), "losses-by-format")
