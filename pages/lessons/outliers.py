"""Lesson: outlier channels of a transformer's activations, and the α that moves them into the weights."""

import statistics

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import before_after, channel_ranges, numbers
from qdebug.figures.lessons.smoothing import alpha_curve
from qdebug.jobs.verbs import GetDetail, GetOutputChange
from qdebug.recipes import Recipe, SmoothQuant, with_fix
from qdebug.results import LayerDetail, TensorView
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

LAYERS = ("blocks.0.attn.qkv", "blocks.0.mlp.fc1", "blocks.1.attn.qkv", "blocks.3.attn.qkv")
LAYER = LAYERS[0]
ALPHAS = tuple(step / 10 for step in range(11))


def smoothed(at: Place, alpha: float) -> Recipe:
    """The lesson's recipe with SmoothQuant."""
    return with_fix(at.recipe, SmoothQuant(alpha=alpha))


def parts(detail: LayerDetail) -> tuple[TensorView, TensorView]:
    """Weight and input of a layer that has both."""
    assert detail.weight and detail.activation
    return detail.weight, detail.activation


def channels(at: Place) -> None:
    """The input's channels of a layer, and how many codes are left to the usual one."""
    at.need_all(*(GetDetail(at.ref, at.recipe, layer) for layer in LAYERS))
    layer = st.selectbox("Input of layer", LAYERS, key=at.key("layer"), width=330)
    _, view = parts(at.need(GetDetail(at.ref, at.recipe, layer)))
    chart.show(chart.of(channel_ranges, view.channels, dark=is_dark(), height=230), at.key("channels"))
    step = view.error.scale_max
    usual = statistics.median(max(-low, high) for low, high in zip(view.channels.low, view.channels.high, strict=True))
    reached = 1 + 2 * round(usual / step)
    st.html(words.quiet(
        f"One scale for all 256 codes: they are {numbers.three(step)} apart. The median channel goes no further than "
        f"{numbers.three(usual)} from 0, so it gets at most {reached} of them."
    ))  # fmt: skip


def alpha(at: Place) -> None:
    """The error of the network, and one layer's input and weights, at the α that was chosen."""
    without, errors = measured(at)
    plain = at.need(GetDetail(at.ref, at.recipe, LAYER))
    at.need_all(*(GetDetail(at.ref, smoothed(at, one), LAYER) for one in ALPHAS))
    chosen = st.select_slider("α", ALPHAS, 0.0, key=at.key("alpha"), format_func="{:g}".format)
    chart.show(chart.of(alpha_curve, errors, without, chosen, dark=is_dark()), at.key("curve"))
    found = at.need(GetDetail(at.ref, smoothed(at, chosen), LAYER))
    st.html(words.quiet(f"What becomes of {LAYER} at this α, and of its input channel by channel:"))
    chart.show(
        chart.of(before_after, parts(plain)[1].channels, parts(found)[1].channels, dark=is_dark(), height=210),
        at.key("after"),
    )
    st.html(steps_html(plain, found))


def steps_html(plain: LayerDetail, found: LayerDetail) -> str:
    """What becomes of a layer: the steps of its grids before and after, and its output."""
    (weight, data), (weight_after, data_after) = parts(plain), parts(found)
    three, decibel = numbers.three, numbers.decibel
    rows = {
        "one step of the input": f"{three(data.error.scale_max)} before, {three(data_after.error.scale_max)} after",
        "one step of the weights":
            f"{three(weight.error.scale_max)} before, {three(weight_after.error.scale_max)} after",
        "SQNR of its output": f"{decibel(plain.output.sqnr_db)} dB before, "
                              f"<b>{decibel(found.output.sqnr_db)} dB</b> after",
    }  # fmt: skip
    return '<dl class="q-steps">' + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items()) + "</dl>"


def measured(at: Place) -> tuple[float, dict[float, float]]:
    """The squared output error without smoothing, and by α."""
    recipes = (at.recipe, *(smoothed(at, one) for one in ALPHAS))
    without, *found = at.need_all(*(GetOutputChange(at.ref, recipe) for recipe in recipes))
    return without.error, {one: change.error for one, change in zip(ALPHAS, found, strict=True)}


def best(at: Place) -> Number:
    """Where the curve is lowest."""
    _, errors = measured(at)
    answer = min(errors, key=errors.__getitem__)
    return Number(answer, within=0.01, said={
        "answer": f"{answer:g}", "left": numbers.three(errors[0.0] / errors[answer]),
        "right": numbers.three(errors[1.0] / errors[answer]),
    })  # fmt: skip


screen.show(__file__, {"channels": channels, "alpha": alpha}, {"alpha": best})
