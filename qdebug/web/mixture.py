"""The mixed-precision screen: formats to choose from, a budget to slide, the front, and the mixture as a recipe."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st
from msgspec.structs import replace

from qdebug.errors import QDebugError
from qdebug.figures import front_figure, map_figure, numbers
from qdebug.figures.mixture import UNITS
from qdebug.figures.text import listed, plural
from qdebug.jobs.verbs import GetMixture
from qdebug.recipes import Recipe, from_plain, parse_format
from qdebug.results import Mixture, MixturePoint, ModelInfo
from qdebug.results.mixture import Unit
from qdebug.targets import DEVICES, PLATFORMS
from qdebug.web import ask, chart, state
from qdebug.web.theme import is_dark

OFFERED = (
    "w32a32", "w16a16", "w8a16", "w8a8-pc", "w8a8", "w6a8-pc", "w4a8-pc", "w4g32a16", "w4g32a8", "nf4", "w3g32a16",
    "fp8_e4m3fn-pc/fp8_e4m3fn", "nvfp4/nvfp4", "mxfp4/mxfp8_e4m3",
)  # fmt: skip
FIRST = {"classification": ("w16a16", "w8a8-pc", "w4a8-pc"), "language-model": ("w16a16", "w8a16", "w4g32a16")}
SHORT: dict[Unit, str] = {
    "bits": "bits per weight", "bytes": "megabytes", "bops": "bit-operations", "seconds": "latency", "joules": "energy",
}  # fmt: skip
ANY = "any runtime"
MEASURED = 8


def draw(info: ModelInfo) -> None:
    """The controls, and below them the front, the map and the mixture at the slider."""
    with st.container(key="mixture-head", horizontal=True, vertical_alignment="center"):
        st.html('<h1 class="q-page">Mixed precision</h1>', width="content")
        request = _request(info)
    if request is None:
        st.html('<p class="q-lead">Choose at least two formats.</p>')
        return
    wanted = replace(request, confirm=MEASURED) if _is_measured(request) else request
    found, _ = ask.latest("mixture", wanted)
    if found is None and wanted is not request:
        found = ask.quiet(request)  # the predictions stay in sight while points are measured
    if found is not None:
        _draw(request, found)


def _request(info: ModelInfo) -> GetMixture | None:
    """What is asked, from the controls; None where it is no question."""
    first = FIRST.get(info.task, FIRST["classification"])
    if "mixture-formats" not in st.session_state:
        st.session_state["mixture-formats"] = list(first)
    names = st.multiselect(
        "Formats", OFFERED, key="mixture-formats", label_visibility="collapsed", width=430,
        accept_new_options=True, placeholder="formats to choose from",
    )  # fmt: skip
    with st.popover("Budget and constraints", key="mixture-more"):
        unit = st.selectbox("Budget in", list(SHORT), format_func=SHORT.__getitem__, key="mixture-unit")
        device = st.selectbox(
            "Device", list(DEVICES), format_func=lambda one: DEVICES[one].title, key="mixture-device",
            disabled=unit != "seconds", help="Whose published rates the time is modelled with; an estimate",
        )  # fmt: skip
        platform = st.selectbox(
            "Has to run on", [ANY, *PLATFORMS], key="mixture-platform",
            format_func=lambda one: PLATFORMS[one].title if one in PLATFORMS else one,
        )  # fmt: skip
        tied = st.toggle(
            "Layers that read one activation alike", key="mixture-tied", help="Query, key and value have one format"
        )
    broken = _not_a_format(names)
    if broken:
        st.html(f'<p class="q-lead">{html.escape(broken)}</p>')
        return None
    if len(names) < 2:
        return None
    return GetMixture(
        ref=state.ref(), recipe=Recipe(fixes=state.recipe().fixes), formats=tuple(names), unit=unit,
        ties=("inputs",) if tied else (), platform=None if platform == ANY else platform,
        device=device if unit == "seconds" else None,
    )  # fmt: skip


def _not_a_format(names: list[str]) -> str:
    for name in names:
        try:
            parse_format(name)
        except QDebugError as error:
            return str(error)
    return ""


def _is_measured(request: GetMixture) -> bool:
    return bool(st.session_state.get("mixture-measured") == request)


def _measure(request: GetMixture) -> None:
    st.session_state["mixture-measured"] = request


def _draw(request: GetMixture, found: Mixture) -> None:
    place = _slider(found)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        key = "mixture-front"
        chart.show(
            front_figure(found, place, dark=is_dark()), key, selection_mode="points",
            on_select=lambda: _clicked(st.session_state[key]),
        )  # fmt: skip
        st.html(f'<p class="q-quiet">{_legend(found)}</p>')
        if not any(point.confirmed is not None for point in found.front) and not _is_measured(request):
            st.button(
                "Measure points of the front", key="mixture-measure", on_click=_measure, args=(request,),
                help=f"Evaluates {MEASURED} mixtures and each format everywhere on all {found.n} samples",
            )  # fmt: skip
        _point(found, found.front[place])
    with right:
        chart.show(map_figure(found, place, dark=is_dark()), "mixture-map")
        if found.unpredicted:
            names = html.escape(listed(list(found.unpredicted[:5])))
            st.html(f'<p class="q-quiet">Not predicted, and left as wide as may be: {names}.</p>')


def _slider(found: Mixture) -> int:
    """The point of the front that the budget reaches; draws the slider."""
    places = [place for place, point in enumerate(found.front) if point.origin == "search"]
    key, factor = "mixture-budget", UNITS[found.unit][1]
    before = st.session_state.get(key)
    if before not in places:
        st.session_state[key] = places[len(places) // 2]
    place: int = st.select_slider(
        f"Budget: {UNITS[found.unit][0]}", places, key=key,
        format_func=lambda one: numbers.three(found.front[one].cost * factor),
    )  # fmt: skip
    return place


def _clicked(event: Any) -> None:
    picked = [point["customdata"][0] for point in event["selection"]["points"] if point.get("customdata")]
    if picked:
        state.put("mixture-budget", picked[0])


def _legend(found: Mixture) -> str:
    measured = sum(point.confirmed is not None for point in found.front)
    filled = f"; ● measured ({measured})" if measured else ""
    return f"○ predicted from {plural(found.n, 'sample')}{filled}; ■ one format everywhere; lower left is better"


def _point(found: Mixture, point: MixturePoint) -> None:
    """The mixture at the slider, in words and as a recipe."""
    counts = [f"{count} in {name}" for name, count in zip(found.formats, point.formats, strict=True) if count]
    size = f"{numbers.three(point.bits_per_weight)} bits per weight, {numbers.size(point.bytes)}"
    known = f"predicted error {numbers.three(point.predicted)} per sample"
    if point.metric is not None:
        value = numbers.metric_value(point.metric.name, point.metric.quantized)
        known = f"{numbers.metric_title(point.metric.name)} {value}, measured"
    st.html(f'<p class="q-lead">{html.escape(listed(counts))}: {size}; {html.escape(known)}.</p>')
    recipe = replace(from_plain(point.recipe), fixes=state.recipe().fixes)
    same = recipe == replace(state.recipe(), model=None)
    st.button(
        "In use" if same else "Use this mixture", key="mixture-use", type="primary", disabled=same,
        on_click=state.change, args=(recipe,), help="Makes it the recipe at hand; undo leads back",
    )  # fmt: skip
