"""The chosen layer: its finding in words, its tensors, where its error comes from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from qdebug.figures import channel_ranges, error_parts, error_split, mean_shift, numbers, tensor_histogram
from qdebug.figures.split import Part
from qdebug.figures.text import escaped
from qdebug.formats import find
from qdebug.jobs.verbs import GetDetail
from qdebug.recipes import TensorPlan
from qdebug.recipes.check import has_range
from qdebug.results import LayerDetail, LayerInfo, ModelInfo, TensorView
from qdebug.web.core import ask, chart, state
from qdebug.web.core.choices import Tensor
from qdebug.web.core.theme import is_dark
from qdebug.web.core.words import lead
from qdebug.web.editing import edits, options
from qdebug.web.layers import answers, closeup, positions
from qdebug.web.layers.sections import Chosen, Section, pick

NOUNS: dict[Tensor, str] = {"weight": "weights", "activation": "activations"}
#: Findings that a chart of the layer states as its title anyway.
DRAWN = ("outlier-channels",)
CHANNELS: dict[Tensor, str] = {"weight": "channel", "activation": "input channel"}


def draw(info: ModelInfo, layer: LayerInfo) -> None:
    """The chosen layer under the recipe at hand, or as it was drawn last while that is measured."""
    ask.show(
        "detail",
        GetDetail(ref=state.ref(), recipe=state.recipe(), layer=layer.name),
        lambda detail, fresh: _draw(Chosen(info, layer, detail, fresh)),
    )


def _draw(chosen: Chosen) -> None:
    st.html(head_html(chosen.detail))
    pick(SECTIONS, chosen.info, chosen.layer).draw(chosen)


def _summary(chosen: Chosen) -> None:
    info, layer, detail = chosen.info, chosen.layer, chosen.detail
    views: dict[Tensor, TensorView] = {
        tensor: getattr(detail, tensor) for tensor in edits.TENSORS if getattr(detail, tensor) is not None
    }
    if views:
        parts = error_parts(*(views[one].error if one in views else None for one in edits.TENSORS))
        tensor = _which(info, layer, tuple(views), worst_tensor(parts, tuple(views)))
        _histogram(info, layer, tensor, views[tensor], chosen.fresh)
        with st.container(key="detail-pair"):
            left, right = st.columns([5, 4], gap="medium")
        with left:
            chart.show(
                chart.of(channel_ranges, views[tensor].channels, CHANNELS[tensor], dark=is_dark()),
                f"channels-{tensor}",
                f"channels {tensor} {layer.name}",
            )
        with right:
            chart.show(chart.of(error_split, parts, dark=is_dark()), "split", f"split {layer.name}")
    chart.show(chart.of(mean_shift, detail, dark=is_dark()), "shift", f"shift {layer.name}")


SECTIONS = (
    Section("Summary", _summary),
    *closeup.SECTIONS,
    Section("Positions", lambda chosen: positions.draw(chosen.layer), lambda _, layer: layer.positions > 0),
    Section("Answers", lambda chosen: answers.draw(chosen.layer)),
)
"""What the control above the charts chooses from, in its order; the first is shown to whoever has not chosen."""


def head_html(detail: LayerDetail) -> str:
    """The layer's name, what it is, its finding and whatever else is odd."""
    local, whole = detail.output.sqnr_db, detail.output.cumulative_sqnr_db
    sqnr = "no error of its own" if local is None else f"SQNR {numbers.decibel(local)}{numbers.NBSP}dB alone"
    below = "" if whole is None else f", {numbers.decibel(whole)}{numbers.NBSP}dB with all before it quantized"
    odd = (finding.text for finding in detail.findings if finding.kind not in DRAWN)
    more = "".join(f'<p class="q-lead">◆ {escaped(text)}</p>' for text in odd)
    return (
        f'<h2 class="q-layer">{escaped(detail.name)} <small>{escaped(detail.op)} · {sqnr}{below}</small></h2>'
        f"{lead(detail.text.rstrip('.') + '.')}{more}"
    )


def worst_tensor(parts: tuple[Part, ...], tensors: tuple[Tensor, ...]) -> Tensor:
    """The tensor that makes most of the layer's error; the first where there is none. Both are in the same order."""
    return max(zip(parts, tensors, strict=True), key=lambda pair: pair[0].whole)[1]


def _which(info: ModelInfo, layer: LayerInfo, tensors: tuple[Tensor, ...], first: Tensor) -> Tensor:
    with st.container(key="detail-bar", horizontal=True, vertical_alignment="center", gap="small"):
        picked = st.segmented_control(
            "Tensor", tensors, default=first, format_func=NOUNS.__getitem__, key=f"tensor-{layer.name}",
            label_visibility="collapsed", required=True,
        )  # fmt: skip
        tensor: Tensor = "activation" if picked == "activation" else tensors[0]
        options.draw(info, layer, tensor)
        st.toggle("log counts", value=True, key="log-counts")
    return tensor


def _histogram(info: ModelInfo, layer: LayerInfo, tensor: Tensor, view: TensorView, fresh: bool) -> None:
    plan: TensorPlan = getattr(edits.plan_of(state.recipe(), layer), tensor)
    draggable = fresh and view.grid is not None and not view.dynamic and has_range(find(plan.format))
    log = bool(st.session_state["log-counts"])
    figure = chart.of(tensor_histogram, view, NOUNS[tensor], dark=is_dark(), log=log, draggable=draggable)
    key = f"histogram-{layer.name}-{tensor}-{state.recipe().digest}"
    about = f"histogram {layer.name} {tensor}"
    if not draggable:
        chart.show(figure, key, about)
        return
    chart.show(
        figure, key, about, selection_mode="box", on_select=lambda: _dragged(info, layer, tensor, st.session_state[key])
    )
    st.html(f'<p class="q-quiet">{clip_note(plan, view)}</p>')


def clip_note(plan: TensorPlan, view: TensorView) -> str:
    """How the clip range is set, or why it is not quite the one that was asked for."""
    if plan.clip is None or view.grid is None:
        return "Drag across the histogram to set the clip range; zero always stays in it."
    low, high = view.grid.clip_min, view.grid.clip_max
    moved = max(abs(low - plan.clip[0]), abs(high - plan.clip[1]))
    if moved <= 0.01 * (high - low):
        return "The clip range is set by hand; drag again to change it."
    wanted, got = (f"{numbers.three(a)} to {numbers.three(b)}" for a, b in (plan.clip, (low, high)))
    why = "a symmetric grid reaches as far on both sides" if plan.symmetric else "zero keeps a code of its own"
    return f"Asked for {wanted}; {why}: {got}."


def _dragged(info: ModelInfo, layer: LayerInfo, tensor: Tensor, event: Any) -> None:
    boxes = event["selection"]["box"]
    if boxes:
        first, second = boxes[0]["x"]
        clip = edits.clip_range(first, second)
        if clip is not None:
            state.change(edits.with_options(state.recipe(), info, layer, tensor, clip=clip))
