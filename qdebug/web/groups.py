"""The calibration screen's part on groups: how far ranges reach in each, and what calibrating on some of them does."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import calibration_map, range_lines, range_map
from qdebug.figures.text import plural, shorten
from qdebug.jobs.verbs import GetGroupCalibration, GetGroupRanges
from qdebug.results import GroupCalibration, GroupRanges, ModelInfo
from qdebug.web.core import ask, chart, clicked, state, words
from qdebug.web.core.theme import is_dark

WORDS = {"group": ("groups", "group"), "class": ("classes", "class")}
RANGES = (
    "The smallest and the largest value of each layer’s input in the float model, {one} by {one} of the evaluation "
    "data. Where they change, a range for all is too wide for some."
)
LINES = "Lines: smallest and largest value. Band: the inner 99.8 %. Dotted: the range that this recipe calibrates."
MAP = (
    "Each row calibrates anew on its samples alone, and is evaluated on all evaluation data. Where there is a choice "
    "of samples, the mean of {draws}. “Evenly” takes as many of each{skewed}."
)
SKEWED = ", “skewed” most from below the middle, as PTQ4DM does"
EXPLAINED = (
    "Calibrates anew on all samples, on as many as the smallest of the {many} has, spread over all of them, and on "
    "each {one} alone; evaluates each on all evaluation data."
)


def draw(info: ModelInfo) -> None:
    """Both parts, where the data tell of groups; what data name themselves is measured at once, classes on a click."""
    if not info.parted:
        return
    many, one = WORDS[info.parted]
    with st.container(key="card-group-ranges"):
        _ranges(info, many, one)
    with st.container(key="card-group-calibration"):
        _calibration(many, one)


def _ranges(info: ModelInfo, many: str, one: str) -> None:
    request = GetGroupRanges(ref=state.ref(), recipe=state.recipe())
    if info.parted == "group" or clicked.is_wanted(request):
        ask.show("group-ranges", request, lambda found, _: _draw_ranges(found, one))
        return
    _offer(f"Do ranges change between {many}?", "group-ranges-start", request, RANGES.format(one=one))


def _draw_ranges(found: GroupRanges, one: str) -> None:
    left, right = st.columns([6, 5], gap="large")
    with left:
        chart.show(chart.of(range_map, found, dark=is_dark()), "group-ranges", "group ranges")
        st.html(words.quiet(RANGES.format(one=one)))
    with right:
        names = [row.name for row in sorted(found.tensors, key=lambda row: -row.drift)]
        layer = st.selectbox("The input of", names, key="group-range-layer", format_func=shorten)
        if layer in names:
            figure = chart.of(range_lines, found, layer, dark=is_dark())
            chart.show(figure, "group-range-lines", f"group range {layer}")
            st.html(words.quiet(LINES))


def _calibration(many: str, one: str) -> None:
    request = GetGroupCalibration(ref=state.ref(), recipe=state.recipe())
    if clicked.is_wanted(request):
        ask.show("group-calibration", request, lambda found, _: _draw_calibration(found))
        return
    _offer(f"Which {many} should calibrate?", "group-calibration-start", request, EXPLAINED.format(many=many, one=one))


def _draw_calibration(found: GroupCalibration) -> None:
    if not found.ways:
        st.html(words.quiet(f"{found.left_out}."))
        return
    chart.show(chart.of(calibration_map, found, dark=is_dark()), "group-calibration", "group calibration")
    skewed = SKEWED if any(way.name == "skewed" for way in found.ways) else ""
    st.html(words.quiet(MAP.format(draws=plural(found.draws, "draw"), skewed=skewed)))


def _offer(title: str, key: str, request: GetGroupRanges | GetGroupCalibration, explained: str) -> None:
    with st.container(key=f"choice-{key}", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<h2 class="q-card">{title}</h2>', width="content")
        st.button("Measure", key=key, on_click=clicked.start, args=(request,))
    st.html(words.quiet(explained))
