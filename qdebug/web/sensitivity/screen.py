"""The screen Sensitivity: every layer in every format, predicted at once, measured on a click, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import streamlit as st

from qdebug.errors import RecipeError
from qdebug.figures import numbers
from qdebug.figures.sensitivity import Part, finding, unit
from qdebug.figures.sensitivity_charts import by_depth, predicted_measured
from qdebug.figures.text import escaped
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetSensitivity
from qdebug.recipes import LayerPlan, Recipe, parse_format
from qdebug.recipes.plan import ChosenRange
from qdebug.results import ModelInfo, Sensitivity
from qdebug.results.sensitivity import Measure
from qdebug.web.core import ask, chart, growing, problem, state, words
from qdebug.web.core.drawings import Drawing
from qdebug.web.core.theme import is_dark
from qdebug.web.editing import edits
from qdebug.web.sensitivity import matrix, measured, measuring

OFFERED = (
    "w8a8", "w8a8-pc", "w4a8", "w4a8-pc", "w4g32a8", "w4g32a16", "w4a16", "w8a16", "w2g32a16", "nf4", "mxfp4", "nvfp4",
    "fp8_e4m3fn/fp8_e4m3fn", "w8a8-pc@2:4", "w8a8-pc@50%", "w8a8-pc@r8",
)  # fmt: skip
FIRST = ("w8a8", "w4a8", "w4g32a16")
MOST_FORMATS = 6
PARTS: dict[Part, str] = {
    "both": "weights and inputs", "weight": "weights alone", "activation": "inputs alone", "without": "all but one",
}  # fmt: skip
MEASURES: dict[Measure, str] = {"squared": "squared error", "kl": "KL divergence"}
MANY = 300
"""Layers from which on the table is brought up to date less often while results come in: it is then a large message."""
WHY = (
    "Why this matters: a layer with a long bar sets what the whole network loses, so it keeps its bits; where bars are "
    "short, fewer bits cost nothing."
)


def draw(info: ModelInfo) -> None:
    """The choices, and what comes of them."""
    growing.follow()
    with st.container(key="sensitivity-head", horizontal=True, vertical_alignment="center", gap="medium"):
        st.html('<h1 class="q-page">Sensitivity</h1>', width="content")
        names = _formats()
        part, measure = _kind()
    try:
        plans = chosen_plans(names, state.recipe(), _own_plans())
    except RecipeError as error:
        problem.draw(error, "sensitivity-formats")
        return
    if not plans:
        st.html(words.quiet("Choose a format to see what it does to each layer."))
        return
    request = GetSensitivity(
        ref=state.ref(), recipe=Recipe(fixes=state.recipe().fixes), formats=tuple(plans.items()), measure=measure
    )
    sweep = measured.under_way(request)
    every = ask.PATIENCE if len(info.layers) < MANY else 5 * ask.PATIENCE
    body = partial(_body, info, request, part)
    if sweep is None or not isinstance(ask.look(request, wait=0.0), Sensitivity):
        growing.show("sensitivity", request, body, every=every)
    else:
        growing.show("sensitivity", sweep, body, every=every)


def _formats() -> list[str]:
    own = words.plan_in_words(state.recipe().default)
    _own_plans()[own] = state.recipe().default
    first = [*({} if state.recipe().default == LayerPlan() else {own: None}), *FIRST]
    kept = st.session_state.kept.setdefault("sensitivity-formats", list(dict.fromkeys(first)))
    return st.multiselect(
        "Formats", list(dict.fromkeys([own, *OFFERED, *kept])), key=state.put("sensitivity-formats", kept),
        max_selections=MOST_FORMATS, accept_new_options=True, label_visibility="collapsed", on_change=_keep,
        placeholder="Formats: choose, or write one such as w3g64a16",
    )  # fmt: skip


def _keep() -> None:
    """Streamlit forgets what a widget shows when another screen is shown."""
    st.session_state.kept["sensitivity-formats"] = st.session_state["sensitivity-formats"]


def _own_plans() -> dict[str, LayerPlan]:
    """The plans that recipes of this session gave most layers, by name: not each has a notation."""
    return st.session_state.kept.setdefault("sensitivity-own", {})


def _kind() -> tuple[Part, Measure]:
    part = st.segmented_control(
        "What is quantized", list(PARTS), default="both", key="sensitivity-part", required=True,
        format_func=PARTS.__getitem__, label_visibility="collapsed", width="content",
    )  # fmt: skip
    measure = st.segmented_control(
        "Measure", list(MEASURES), default="squared", key="sensitivity-measure", required=True,
        format_func=MEASURES.__getitem__, label_visibility="collapsed", width="content",
    )  # fmt: skip
    return cast(Part, part), cast(Measure, measure)


def chosen_plans(names: list[str], recipe: Recipe, own: Mapping[str, LayerPlan]) -> dict[str, LayerPlan]:
    """The plans by name, in the ranges that the recipe's tensors are calibrated with.

    Args:
        names: as they are chosen or typed.
        recipe: the recipe at hand.
        own: plans that need no notation.

    Raises:
        RecipeError: a name is no format.
    """
    method = cast(ChosenRange | None, edits.range_of(recipe))
    plans = {}
    for name in names:
        plan = own[name] if name in own else parse_format(name)
        plans[name] = edits.ranged(plan, method) if method and plan != recipe.default else plan
    return plans


def _body(info: ModelInfo, request: GetSensitivity, part: Part, now: object, running: Running | None) -> None:
    """In a fragment of its own while results come in: a click there draws the whole page only where it must."""
    asked = measuring.ask_ahead(info, request, part) if running is None else None
    known = ask.part(request)
    found = measured.merged(known if isinstance(known, Sensitivity) else None, measured.sweeps_of(request))
    if found is None:
        return
    plans = dict(request.formats)
    st.html(f'<h2 class="q-found">{escaped(headline(found, part))}.</h2>')
    left, right = st.columns([8, 5], gap="large")
    with left:
        _actions(info, request, part, asked)
        data = matrix.matrix_data(
            info, state.recipe(), found, plans, state.chosen(info), part=part, working=running is not None
        )
        matrix.draw(data, "sensitivity-matrix", _open, partial(_put, info, plans))
        st.html(words.quiet(legend(found, part)))
        if running is None:
            st.download_button(
                "CSV", partial(measured.rows_as_csv, found), f"{found.model}-sensitivity.csv", "text/csv",
                key="sensitivity-csv", on_click="ignore", type="tertiary",
                help="Every number of the table, with intervals",
            )  # fmt: skip
        st.html(words.quiet(WHY))
    with right:
        weights = {name: plan.weight.format for name, plan in plans.items()}
        _clickable(info, chart.of(by_depth, found, weights, dark=is_dark(), part=part), "depth")
        if any(row.exact is not None and row.predicted is not None for row in found.rows):
            _clickable(info, chart.of(predicted_measured, found, weights, dark=is_dark()), "agreement")
        st.html(words.quiet("Click a mark, or a cell of the table, to open its layer."))


def headline(found: Sensitivity, part: Part) -> str:
    """The finding as a sentence's beginning."""
    said = finding(found, part)
    return said[:1].upper() + said[1:]


def legend(found: Sensitivity, part: Part) -> str:
    """How to read the table: what is predicted and what is measured, and what the bars' lengths are."""
    bars = f"Bars are logarithmic, over {matrix.DECADES} powers of ten."
    if part == "without":
        return (
            "By how much the squared error falls when all layers are quantized but this one; below 0 where it rises. "
            f"Measured only. {bars}"
        )
    return (
        f"≈ and hatched: predicted from gradients on {numbers.count(found.n)} of {numbers.count(found.of)} samples. "
        f"Numbers: {unit(found)}. Solid: measured, with this layer alone quantized; ± is its 95 % "
        "interval while it rests on part of the samples, ≈ below it what was predicted. ◆: outside the linear regime, "
        f"more than 2× off. {bars}"
    )


def _actions(info: ModelInfo, request: GetSensitivity, part: Part, asked: measuring.Asked | None) -> None:
    with st.container(key="sensitivity-actions", horizontal=True, vertical_alignment="center", gap="small"):
        if asked is not None:
            measuring.draw(info, request, asked)
        if part in ("weight", "activation"):
            st.html(words.quiet(f"{PARTS[part].capitalize()}: predictions."), width="content")


def _open(layer: str) -> None:
    state.choose(layer)
    growing.leave("pages/layers.py")


def _put(info: ModelInfo, plans: dict[str, LayerPlan], layer: str, name: str) -> None:
    plan = LayerPlan() if name == matrix.FLOAT else plans.get(name)
    own = next((one for one in info.layers if one.name == layer), None)
    if plan is not None and own is not None:
        state.change(edits.with_plan(state.recipe(), info, own, plan))
        growing.leave()


def _clickable(info: ModelInfo, drawing: Drawing, key: str) -> None:
    """A chart whose marks lead to their layers."""

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        names = [point["customdata"][0] for point in points if point.get("customdata")]
        if names and any(layer.name == names[0] for layer in info.layers):
            _open(names[0])

    chart.show(drawing, key, key, on_select=picked, selection_mode="points")
