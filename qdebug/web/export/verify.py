"""Whether a runtime computes what was simulated: started by a click, the finding first."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from qdebug.figures import drift, numbers
from qdebug.figures.agreement import Reading, is_trouble, runtime_name, verified_finding
from qdebug.figures.text import escaped, plural
from qdebug.jobs.home_verbs import Runtime
from qdebug.jobs.verbs import GetVerified
from qdebug.results import ModelInfo, Verified
from qdebug.results.verified import Simulation
from qdebug.web.core import ask, chart, clicked, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.export.verified import ORDERS, remarks_html, table_html

KNOWN: tuple[Runtime, ...] = get_args(Runtime)
AGAINST: dict[Simulation, str] = {"float": "what you saw", "integer": "integer simulation"}
HOW: dict[Simulation, str] = {
    "float": "what the screens show, which is simulated in float arithmetic",
    "integer": "a simulation in integer arithmetic, sums and roundings as integer kernels have them",
}
READING: dict[Simulation, Reading] = {"float": "float_", "integer": "integer"}


def draw(info: ModelInfo) -> None:
    """The runtime, the button, and what came of it."""
    with st.container(key="card-verify"):
        with st.container(key="verify-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h2 class="q-card">Does it compute what you saw?</h2>', width="content")
            runtime: Runtime = st.selectbox(
                "Runtime", KNOWN, format_func=runtime_name, key="verify-runtime", width=170,
                label_visibility="collapsed",
            )  # fmt: skip
            simulation: Simulation = st.segmented_control(
                "Held against", list(AGAINST), default="float", format_func=AGAINST.__getitem__,
                key="verify-simulation", required=True, label_visibility="collapsed",
            )  # fmt: skip
            request = GetVerified(ref=state.ref(), recipe=state.recipe(), runtime=runtime, simulation=simulation)
            wanted = clicked.is_wanted(request)
            if not wanted:
                st.button("Verify", key="verify-start", on_click=clicked.start, args=(request,))
        if wanted:
            ask.show("verified", request, lambda found, fresh: _verified(found))
            if info.float_note:
                st.html(words.quiet(info.float_note))
        else:
            st.html(
                f'<p class="q-quiet">Writes the recipe as ONNX, runs it in {runtime_name(runtime)} on '
                f"{plural(info.n_eval, 'sample')}, and holds codes and predictions against {HOW[simulation]}.</p>"
            )


def _verified(found: Verified) -> None:
    st.html(f'<h2 class="q-found{" q-bad" if is_trouble(found) else ""}">{escaped(verified_finding(found))}</h2>')
    left, right = st.columns([7, 4] if found.layers else [4, 7], gap="large")
    if found.layers:
        with left:
            chart.show(chart.of(drift, found, dark=is_dark()), "drift")
            _layers(found)
        right.html(metric_html(found) + remarks_html(found))
    else:
        left.html(metric_html(found))
        right.html(remarks_html(found))


def _layers(found: Verified) -> None:
    order = st.segmented_control(
        "Order", list(ORDERS), default="graph", key="verify-order", format_func=ORDERS.__getitem__, required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    st.html(table_html(found.layers, READING[found.simulation], order))


def metric_html(found: Verified) -> str:
    """The metric of the float model, of the simulation and of the runtime, and what was run."""
    metric = found.metric
    title = numbers.metric_title(metric.name)
    rows = (
        ("float", metric.float_), ("simulated", metric.simulated), (f"in {runtime_name(found.runtime)}", metric.real),
    )  # fmt: skip
    cells = "".join(
        f"<tr><td>{escaped(name)}</td><td>{numbers.metric_value(metric.name, value)}</td></tr>" for name, value in rows
    )
    kernels = ", ".join(f"{number} {name}" for name, number in sorted(found.kernels.items(), key=lambda one: -one[1]))
    facts = {
        "runtime": f"{runtime_name(found.runtime)} {found.version}",
        "file": f"opset {found.opset}, {numbers.size(found.bytes)}",
        "run on": f"{plural(found.n, 'sample')}, {numbers.seconds(found.seconds)} in all",
    }
    facts |= {"operators": kernels} if kernels else {}
    about = "".join(f"<dt>{key}</dt><dd>{escaped(value)}</dd>" for key, value in facts.items())
    return (
        f'<table class="q-scores"><tr><th scope="col"></th><th scope="col">{escaped(title)}</th></tr>{cells}'
        f'</table><dl class="q-facts q-below">{about}</dl>'
    )
