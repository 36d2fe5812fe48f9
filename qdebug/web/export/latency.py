"""How long a run takes, float and quantized: measured on a click, plainly slower where it is."""

from __future__ import annotations

import os

import streamlit as st

from qdebug.figures import latency_bars, numbers
from qdebug.figures.agreement import runtime_name
from qdebug.figures.text import escaped, plural
from qdebug.jobs.verbs import GetLatency
from qdebug.results import Latency, Timing
from qdebug.web.core import ask, chart, clicked, state
from qdebug.web.core.theme import is_dark


def draw() -> None:
    """The number of threads, the button, and what came of it."""
    with st.container(key="card-latency"):
        with st.container(key="latency-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h2 class="q-card">Is it faster?</h2>', width="content")
            threads = st.segmented_control(
                "Threads", thread_counts(os.cpu_count() or 1), default=1, key="latency-threads", required=True,
                format_func=lambda number: plural(number, "thread"), label_visibility="collapsed",
            )  # fmt: skip
            request = _request(threads)
            wanted = clicked.is_wanted(request)
            slot = st.empty()
        if wanted:
            ask.show("latency", request, lambda found, fresh: _latency(found))
            if ask.is_known(request) and ask.failure(request) is None:
                slot.button("Measure again", key="latency-again", type="tertiary", on_click=_again, args=(request,))
        else:
            slot.button("Measure", key="latency-start", on_click=clicked.start, args=(request,))
            st.html(
                '<p class="q-quiet">Runs the float and the quantized model in turns in ONNX Runtime, on the machine '
                "that serves this page, one batch at a time.</p>"
            )


def thread_counts(cores: int) -> list[int]:
    """Numbers of threads to choose from: powers of two up to the machine's, and all of them."""
    return sorted({*(2**power for power in range(4) if 2**power <= cores), cores})


def _request(threads: int) -> GetLatency:
    bare = GetLatency(ref=state.ref(), recipe=state.recipe(), threads=threads)
    return GetLatency(ref=bare.ref, recipe=bare.recipe, threads=threads, turn=_turns().get(ask.key_of(bare), 0))


def _again(request: GetLatency) -> None:
    """Measure anew: another turn is another question."""
    bare = GetLatency(ref=request.ref, recipe=request.recipe, threads=request.threads)
    _turns()[ask.key_of(bare)] = request.turn + 1
    clicked.start(_request(request.threads))


def _turns() -> dict[object, int]:
    return st.session_state.setdefault("latency-turns", {})


def _latency(found: Latency) -> None:
    left, right = st.columns([4, 7], gap="large")
    bad = " q-bad" if found.ratio_low > 1 else ""
    left.html(f'<h2 class="q-found{bad}">{escaped(found.finding.rstrip("."))}</h2>{times_html(found)}')
    if found.layers:
        with right:
            chart.show(
                chart.of(latency_bars, found, state.recipe().default.weight.label, dark=is_dark()), "latency-layers"
            )


def times_html(found: Latency) -> str:
    """Both models' times with their quartiles, the ratio with its spread, and how it was measured."""
    rows = "".join(f"<tr><td>{name}</td>{_cells(one)}</tr>" for name, one in
                   (("float", found.float_), ("quantized", found.quantized)))  # fmt: skip
    bad = ' class="q-bad"' if found.ratio_low > 1 else ""
    spread = f"{numbers.three(found.ratio_low)}{numbers.NBSP}–{numbers.NBSP}{numbers.three(found.ratio_high)}"
    rows += f"<tr><td>quantized / float</td><td{bad}>{numbers.three(found.ratio)}</td><td>{spread}</td></tr>"
    how = (
        f"{runtime_name(found.runtime)} {found.version}, {plural(found.threads, 'thread')}, batch of {found.batch}, "
        f"{plural(found.rounds, 'round')} in turns; the medians, and the quartiles around them."
    )
    return (
        '<table class="q-scores q-below"><tr><th scope="col"></th><th scope="col">median</th>'
        f'<th scope="col">quartiles</th></tr>{rows}</table><p class="q-quiet q-below">{escaped(how)}</p>'
    )


def _cells(one: Timing) -> str:
    low, high = numbers.duration(one.low), numbers.duration(one.high)
    return f"<td>{numbers.duration(one.median)}</td><td>{low}{numbers.NBSP}–{numbers.NBSP}{high}</td>"
