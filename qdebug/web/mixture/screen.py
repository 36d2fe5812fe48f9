"""The mixed-precision screen: formats to choose from, a budget to slide, the front, and the mixture as a recipe."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import streamlit as st
from msgspec.structs import replace

from qdebug.errors import QDebugError
from qdebug.figures import front_figure, map_figure, numbers
from qdebug.figures.mixture import UNITS, cost_words, smallest_harmless, teachers, with_interval
from qdebug.figures.text import escaped, listed, plural
from qdebug.jobs.verbs import GetMixture
from qdebug.recipes import Recipe, from_plain, parse_activation_format, parse_format
from qdebug.results import Mixture, MixturePoint, ModelInfo
from qdebug.results.mixture import Judge, Unit
from qdebug.targets import DEVICES, HERE, PLATFORMS
from qdebug.web.core import ask, chart, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.mixture import mixed_points

OFFERED = (
    "w32a32", "w16a16", "w8a16", "w8a8-pc", "w8a8", "w6a8-pc", "w4a8-pc", "w4g32a16", "w4g32a8", "nf4", "w3g32a16",
    "w8a8-pc@2:4", "w8a8-pc@50%", "w8a8-pc@r8", "w4a8-pc@2:4",
    "fp8_e4m3fn-pc/fp8_e4m3fn", "nvfp4/nvfp4", "mxfp4/mxfp8_e4m3",
)  # fmt: skip
FIRST = {"classification": ("w16a16", "w8a8-pc", "w4a8-pc"), "language-model": ("w16a16", "w8a16", "w4g32a16")}
SHORT: dict[Unit, str] = {
    "bits": "bits per weight", "bytes": "megabytes", "bops": "bit-operations", "seconds": "latency", "joules": "energy",
}  # fmt: skip
ANY = "any runtime"
MEASURED = 8
JUDGES: dict[Judge, str] = {"mean": "by the mean", "worst-group": "by the worst group"}
_CHOSEN = "mixture-chosen"
WHOLE = Recipe(between=parse_activation_format("int8"), bias="int32")


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
            "Device", [*DEVICES, HERE], format_func=_device, key="mixture-device", disabled=unit != "seconds",
            help="Whose published rates the time is modelled with, an estimate; or this machine, which is timed",
        )  # fmt: skip
        platform = st.selectbox(
            "Has to run on", [ANY, *PLATFORMS], key="mixture-platform",
            format_func=lambda one: PLATFORMS[one].title if one in PLATFORMS else one,
        )  # fmt: skip
        tied = st.toggle(
            "Layers that read one activation alike", key="mixture-tied", help="Query, key and value have one format"
        )
        between = st.toggle(
            "Activations between layers in int8", key="mixture-between",
            help="For a runtime that computes in integers throughout; biases are rounded to 32 bits",
        )  # fmt: skip
    judge: Judge = st.segmented_control(
        "Judge by", list(JUDGES), format_func=JUDGES.__getitem__, default="mean", key="mixture-judge", required=True,
        label_visibility="collapsed", help="Whose error is minimized: of all samples, or of the worst class or group",
    )  # fmt: skip
    broken = _not_a_format(names)
    if broken:
        st.html(f'<p class="q-lead">{escaped(broken)}</p>')
        return None
    if len(names) < 2:
        return None
    return GetMixture(
        ref=state.ref(), recipe=replace(WHOLE if between else Recipe(), fixes=state.recipe().fixes),
        formats=tuple(names), unit=unit, ties=("inputs",) if tied else (),
        platform=None if platform == ANY else platform, device=device if unit == "seconds" else None, judge=judge,
    )  # fmt: skip


def _device(name: str) -> str:
    return DEVICES[name].title if name in DEVICES else "This machine, timed in ONNX Runtime"


def _not_a_format(names: list[str]) -> str:
    for name in names:
        try:
            parse_format(name.removesuffix("-all"))
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
            chart.of(front_figure, found, place, dark=is_dark()), key, "front", selection_mode="points",
            on_select=lambda: _clicked(found, st.session_state[key]),
        )  # fmt: skip
        st.html(f'<p class="q-quiet">{_legend(found)}</p>')
        if not any(point.confirmed is not None for point in found.front) and not _is_measured(request):
            st.button(
                "Measure points of the front", key="mixture-measure", on_click=_measure, args=(request,),
                help=f"Evaluates {MEASURED} mixtures and each format everywhere on all {found.n} samples",
            )  # fmt: skip
        _point(found, found.front[place])
        _anew()
    with right:
        chart.show(chart.of(map_figure, found, place, dark=is_dark()), "mixture-map", "map")
        st.html(mixed_points.legend_html(found))
        if found.unpredicted:
            names = escaped(listed(list(found.unpredicted[:5])))
            st.html(f'<p class="q-quiet">Not predicted, and left as wide as may be: {names}.</p>')
        if found.timed:
            reasons = " ".join(found.untimed)
            words = f"Times are sums over layers, each {found.timed}. {reasons}"
            st.html(f'<p class="q-quiet">{escaped(words)}</p>')
    _measured(found, place)


def _anew() -> None:
    """Says which fixes a mixture does not find done."""
    slow = tuple(fix.title for fix in state.recipe().fixes if fix.pace != "live")
    if slow:
        st.html(words.quiet(
            f"{listed(slow)} {'is' if len(slow) == 1 else 'are'} worked out anew for each mixture that is measured or "
            "used: search first, then repair."
        ))  # fmt: skip


def _measured(found: Mixture, place: int) -> None:
    """What was measured, in numbers, and the way to the smallest that does no harm."""
    best = smallest_harmless(found)
    if best is not None and best != found.front[place]:
        st.button(
            f"Show the one of {numbers.three(best.bits_per_weight)} bits per weight", key="mixture-best",
            on_click=_choose, args=(found, found.front.index(best)),
            help="The smallest of those measured that does no harm",
        )  # fmt: skip
    if table := mixed_points.table_html(found, found.front[place]):
        st.html(table)


def _slider(found: Mixture) -> int:
    """The point that was chosen last, or where the front is another one the nearest to it; draws the slider."""
    searched = [place for place, point in enumerate(found.front) if point.origin == "search"]
    unit, cost = st.session_state.get(_CHOSEN, ("", 0.0))
    near = min(range(len(found.front)), key=lambda place: abs(found.front[place].cost - cost))
    now = near if unit == found.unit else searched[len(searched) // 2]
    places = sorted({*searched, now}, key=lambda place: found.front[place].cost)
    labels = dict(zip(places, apart([found.front[place].cost * UNITS[found.unit][1] for place in places]), strict=True))
    # A browser holds a slider's value by its text: another front is another slider, or it would keep the old one's.
    key = state.put(f"mixture-budget-{crc32(' '.join(labels.values()).encode()):08x}", now)
    place: int = st.select_slider(
        f"Budget: {cost_words(found)}", places, key=key, format_func=labels.__getitem__,
        on_change=lambda: _choose(found, st.session_state[key]),
    )  # fmt: skip
    return place


def apart(values: list[float]) -> list[str]:
    """Numbers in three digits, or in as many as tell all of them apart."""
    if len(set(map(numbers.three, values))) == len(values):
        return [numbers.three(value) for value in values]
    texts = [f"{value:.6g}" for value in values]
    return [text if texts.count(text) == 1 else f"{text} ({place + 1})" for place, text in enumerate(texts)]


def _choose(found: Mixture, place: int) -> None:
    st.session_state[_CHOSEN] = (found.unit, found.front[place].cost)


def _clicked(found: Mixture, event: Any) -> None:
    picked = [point["customdata"][0] for point in event["selection"]["points"] if point.get("customdata")]
    if picked:
        _choose(found, picked[0])


def _legend(found: Mixture) -> str:
    measured = sum(point.confirmed is not None for point in found.front)
    filled = f"; ● measured ({measured})" if measured else ""
    whose = f", the worst of {found.groups} classes and groups" if found.judge == "worst-group" and found.groups else ""
    right = f", set right by {teachers(found)} (bars: 95{numbers.NBSP}%)" if found.taught_by else ""
    return (
        f"○ predicted from {plural(found.n, 'sample')}{whose}{right}{filled}; ■ one format everywhere; "
        "lower left is better"
    )


def _point(found: Mixture, point: MixturePoint) -> None:
    """The mixture at the slider, in words and as a recipe."""
    counts = [f"{count} in {name}" for name, count in zip(found.formats, point.formats, strict=True) if count]
    size = f"{numbers.three(point.bits_per_weight)} bits per weight, {numbers.size(point.bytes)}"
    known = f"predicted error {numbers.three(point.predicted)} per sample"
    if point.expected is not None:
        known = f"predicted error {with_interval(point)} per sample, set right by {teachers(found)}"
    if point.metric is not None:
        value = numbers.metric_value(point.metric.name, point.metric.quantized)
        known = f"{numbers.metric_title(point.metric.name)} {value}, measured"
        if point.worst is not None:
            change = numbers.metric_change(point.metric.name, point.worst.delta)[0]
            known = f"{known}; the worst is {point.worst.called}: {change}"
    st.html(f'<p class="q-lead">{escaped(listed(counts))}: {size}; {escaped(known)}.</p>')
    now = state.recipe()
    recipe = replace(from_plain(point.recipe), fixes=now.fixes, attention=now.attention)
    same = recipe == replace(now, model=None)
    st.button(
        "In use" if same else "Use this mixture", key="mixture-use", type="primary", disabled=same,
        on_click=state.change, args=(recipe,), help="Makes it the recipe at hand; undo leads back",
    )  # fmt: skip
