"""The formats screen: which values, two formats on them, and all formats against each other."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from qdebug.figures import crest_figure, error_bars, numbers, rate_figure, settling, tensor_histogram
from qdebug.figures.crest import crest_finding
from qdebug.figures.text import plural
from qdebug.formats import FORMATS, split_name
from qdebug.jobs.verbs import GetConvergence, GetFormats, GetFormatView
from qdebug.recipes import Recipe, TensorPlan, parse_activation_format, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.results import DISTRIBUTIONS, Convergence, FormatComparison, LayerInfo, ModelInfo, TensorView, Values
from qdebug.web.core import ask, chart, state
from qdebug.web.core.choices import Tensor
from qdebug.web.core.theme import is_dark
from qdebug.web.editing import edits
from qdebug.web.formats import speccard
from qdebug.web.layers import listing
from qdebug.web.layers.detail import NOUNS

FIRST: dict[Tensor, tuple[str, str]] = {"weight": ("int4-pc", "nvfp4"), "activation": ("int8", "fp8_e4m3fn")}
"""The two formats that are looked at first."""

_MARK = "distribution "


def values(info: ModelInfo) -> Values:
    """What is looked at: a layer's tensor or a distribution; draws the controls."""
    names = [layer.name for layer in info.layers]
    options = [*names, *(_MARK + name for name in DISTRIBUTIONS)]
    before = st.session_state.get("formats-values")
    first = before if before in options else _first(info)
    picked = st.selectbox(
        "Values", options, index=options.index(first), format_func=_title, key="formats-values",
        label_visibility="collapsed", width=330,
    )  # fmt: skip
    if picked.startswith(_MARK):
        return Values(distribution=picked.removeprefix(_MARK))
    layer = next(one for one in info.layers if one.name == picked)
    if layer.kind == "embedding":
        return Values(layer=picked)
    tensor = st.segmented_control(
        "Tensor", edits.TENSORS, default="weight", format_func=NOUNS.__getitem__, key="formats-tensor",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    return Values(layer=picked, tensor="activation" if tensor == "activation" else "weight")


def _first(info: ModelInfo) -> str:
    """The chosen layer; while the worst one is not known, the first that multiplies."""
    layer = listing.chosen(info)
    others = (one.name for one in info.layers if one.kind != "embedding")
    return next(others, layer.name) if layer.kind == "embedding" else layer.name


def _title(option: str) -> str:
    return DISTRIBUTIONS[option.removeprefix(_MARK)] if option.startswith(_MARK) else option


def fixes_only(recipe: Recipe) -> Recipe:
    """The part of a recipe that changes what is quantized; equal parts are one question."""
    return Recipe(fixes=recipe.fixes)


def pair(info: ModelInfo, chosen: Values) -> tuple[str, str]:
    """The two formats that are looked at, each with its histogram and card; draws them."""
    found = []
    for place in (0, 1):
        found.append(_one(info, chosen, place))
    return found[0], found[1]


def _one(info: ModelInfo, chosen: Values, place: int) -> str:
    groups = offered(info, chosen)
    options = [notation for group in groups.values() for notation in group]
    key = picker_key(chosen, place)
    if st.session_state.get(key) not in options:
        state.put(key, FIRST[chosen.tensor][place])
    heading = {notation: title for title, group in groups.items() for notation in group}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        notation = st.selectbox(
            "Format", options, key=key, format_func=lambda one: f"{one}  ({heading[one]})",
            label_visibility="collapsed", width=330,
        )  # fmt: skip
        with st.popover("Spec card", key=f"spec-{place}"):
            speccard.draw(format_of(notation), f"{place}-{notation}")
        _use(info, chosen, notation, place)
    request = GetFormatView(ref=state.ref(), recipe=fixes_only(state.recipe()), values=chosen, notation=notation)
    ask.show(f"format-{place}", request, lambda view, fresh: _histogram(chosen, view, notation, place))
    return notation


def offered(info: ModelInfo, chosen: Values) -> dict[str, tuple[str, ...]]:
    """The formats that these values could have, by heading."""
    if chosen.tensor == "weight":
        return WEIGHTS
    conv = any(layer.name == chosen.layer and layer.kind == "conv" for layer in info.layers)
    if not conv:
        return ACTIVATIONS
    return {title: kept for title, group in ACTIVATIONS.items() if (kept := tuple(filter(_tokenless, group)))}


def _tokenless(notation: str) -> bool:
    """Whether a convolution's input, which has no tokens, can have that format."""
    return parse_activation_format(notation).granularity != "token"


def picker_key(chosen: Values, place: int) -> str:
    """The key of a format's select; weights and activations have each their own."""
    return f"formats-{chosen.tensor}-{place}"


def format_of(notation: str) -> str:
    """The format's own name in a notation such as ``int4g32``."""
    found = split_name(notation)
    assert found is not None and found[0] in FORMATS
    return found[0]


def _histogram(chosen: Values, view: TensorView, notation: str, place: int) -> None:
    noun = NOUNS[chosen.tensor] if chosen.layer else "values"
    figure = chart.of(tensor_histogram, view, noun, dark=is_dark(), height=170, draggable=False, reach=_reach(view))
    chart.show(figure, f"format-histogram-{place}")
    error = view.error
    quality = "no error" if error.mse == 0 else f"SQNR {numbers.decibel(error.sqnr_db)}{numbers.NBSP}dB"
    scales = f", {plural(view.grid.scales, 'scale')}; the widest one's grid is drawn" if view.grid else ""
    st.html(f'<p class="q-quiet">{html.escape(notation)}: {quality}{scales}</p>')


def _reach(view: TensorView) -> tuple[float, float]:
    """The same axis for both formats: about the values, unless one cuts off far outside them."""
    absmax = max(abs(view.histogram.low), abs(view.histogram.high)) or 1.0
    limits = (view.grid.clip_min, view.grid.clip_max) if view.grid and not view.dynamic else (0.0, 0.0)
    low = 1.15 * absmax if view.histogram.low < 0 else 0.03 * absmax
    return min(-low, 1.02 * limits[0]), max(1.15 * absmax, 1.02 * limits[1])


def _use(info: ModelInfo, chosen: Values, notation: str, place: int) -> None:
    """A button that puts the format into the recipe at hand, where the values are a layer's."""
    if not chosen.layer:
        return
    layer = next(one for one in info.layers if one.name == chosen.layer)
    current = getattr(edits.plan_of(state.recipe(), layer), chosen.tensor)
    wanted = (parse_weight_format if chosen.tensor == "weight" else parse_activation_format)(notation)
    st.button(
        "Use it here" if current != wanted else "In use here", key=f"use-{place}",
        disabled=current == wanted, help=f"Gives the {NOUNS[chosen.tensor]} of the layer this format",
        on_click=_take, args=(info, layer, chosen.tensor, notation),
    )  # fmt: skip


def _take(info: ModelInfo, layer: LayerInfo, tensor: Tensor, notation: str) -> None:
    state.change(edits.with_notation(state.recipe(), info, layer, tensor, notation))


def contest(chosen: Values, looked_at: tuple[str, str]) -> None:
    """All formats on the same values."""
    request = GetFormats(ref=state.ref(), recipe=fixes_only(state.recipe()), values=chosen)
    ask.show("contest", request, lambda found, fresh: _contest(chosen, found, looked_at))


def _contest(chosen: Values, found: FormatComparison, looked_at: tuple[str, str]) -> None:
    chart.show(chart.of(rate_figure, found, dark=is_dark(), chosen=looked_at), "rate")
    st.html(f'<p class="q-quiet">{legend(found)}</p>')
    key = f"contest-{chosen.tensor}"
    chart.show(
        chart.of(error_bars, found, dark=is_dark(), chosen=looked_at), key, selection_mode="points",
        on_select=lambda: _clicked(chosen, st.session_state[key]),
    )  # fmt: skip
    st.html('<p class="q-quiet">Click a bar to look at its grid below the other one.</p>')


def _clicked(chosen: Values, event: Any) -> None:
    picked = [point["y"] for point in event["selection"]["points"]]
    if picked:
        state.put(picker_key(chosen, 1), picked[0])


def legend(found: FormatComparison) -> str:
    """What the marks mean, and what was looked at."""
    inputs = found.values.layer and found.values.tensor == "activation"
    how = "those of the first samples" if inputs else "rows left out evenly"
    part = "" if found.count == found.total else f" of {numbers.count(found.total)}, {how}"
    turned = (
        f"◇ after a randomized Hadamard rotation of {found.rotation} values of a row at a time"
        if found.rotation > 1
        else "rows of this length cannot be rotated"
    )
    return f"{numbers.count(found.count)} values{part}; {turned}; ⋯ rate–distortion limit"


def settling_of(info: ModelInfo, chosen: Values) -> None:
    """How soon the clip range of a layer's input settles, by range method."""
    if not chosen.layer or chosen.tensor != "activation":
        return
    recipe = state.recipe()
    layer = next(one for one in info.layers if one.name == chosen.layer)
    plan = edits.plan_of(recipe, layer).activation
    request = GetConvergence(ref=state.ref(), recipe=recipe, layer=chosen.layer)
    ask.show("settling", request, lambda found, fresh: _settling(found, plan))


def _settling(found: Convergence, plan: TensorPlan) -> None:
    chart.show(chart.of(settling, found, plan.range, dark=is_dark()), "settling")
    other = "" if plan.label == found.format else f"; for {found.format}, as {plan.label} takes no calibrated range"
    st.html(f'<p class="q-quiet">● from here on within 5 % of the last range{html.escape(other)}</p>')


def crests(chosen: Values) -> None:
    """How uneven the blocks are, and where integers beat floats."""
    request = GetFormats(ref=state.ref(), recipe=fixes_only(state.recipe()), values=chosen)
    found = ask.quiet(request)
    if found is None or not found.crests:
        return
    st.html(f'<h3 class="q-chart-title">{html.escape(crest_finding(found.crests))}</h3>')
    for view in found.crests:
        chart.show(chart.of(crest_figure, view, dark=is_dark()), f"crest-{view.size}")
