"""Lesson 3: symmetric and affine grids on what a ReLU leaves, and on weights."""

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import numbers, tensor_histogram
from qdebug.figures.lessons.grids import grid_gains
from qdebug.jobs.verbs import GetFormatView
from qdebug.results import TensorView, Values
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

LAYERS = ("fc", "blocks.3.dw", "blocks.1.dw", "blocks.1.expand", "blocks.2.expand", "head")
ASKED = "blocks.3.dw"
ACTIVATION = {"symmetric": "int8-sym", "affine": "int8"}
WEIGHT = {"symmetric": "int8", "affine": "int8-affine"}
Views = dict[tuple[str, str], TensorView]


def inputs(at: Place) -> Views:
    """The input of each layer on both grids, in the range that calibration gives them."""
    pairs = [(layer, kind) for layer in LAYERS for kind in ACTIVATION]
    asked = (
        GetFormatView(at.ref, at.recipe, Values(layer=layer, tensor="activation"), ACTIVATION[kind])
        for layer, kind in pairs
    )
    return dict(zip(pairs, at.need_all(*asked), strict=True))


def weights(at: Place) -> Views:
    """The weights of each layer on both grids."""
    pairs = [(layer, kind) for layer in LAYERS for kind in WEIGHT]
    asked = (GetFormatView(at.ref, at.recipe, Values(layer=layer), WEIGHT[kind]) for layer, kind in pairs)
    return dict(zip(pairs, at.need_all(*asked), strict=True))


def gain(found: Views, layer: str) -> float:
    """Decibels that an affine grid has more than a symmetric one."""
    affine, symmetric = (found[layer, kind].error.sqnr_db for kind in ("affine", "symmetric"))
    return (affine or 0.0) - (symmetric or 0.0)


def activation(at: Place) -> None:
    """The input of a layer, on the grid that is chosen."""
    found = inputs(at)
    left, right = st.columns(2)
    layer = left.selectbox("Input of", LAYERS, key=at.key("layer"))
    kind = right.segmented_control(
        "Grid", list(ACTIVATION), default="symmetric", required=True, key=at.key("grid"), format_func=str.capitalize
    )
    view = found[layer, kind or "symmetric"]
    chart.show(chart.of(tensor_histogram, view, "activations", dark=is_dark()), at.key("activation"))
    error = view.error
    st.html(words.quiet(
        f"{error.used_codes} of {error.codes} codes used, step {numbers.three(error.scale_max)}, from "
        f"{numbers.three(error.clip_min)} to {numbers.three(error.clip_max)}. "
        f"Signal to quantization noise: {numbers.decibel(error.sqnr_db)} dB."
    ))  # fmt: skip


def weight(at: Place) -> None:
    """What an affine grid gains for the weights of all these layers, beside what it gains for some of their inputs."""
    seen, held = inputs(at), weights(at)
    rows = [(layer, gain(seen, layer), gain(held, layer)) for layer in LAYERS if layer != ASKED]
    chart.show(chart.of(grid_gains, rows, dark=is_dark()), at.key("weight"))


def answer(at: Place) -> Number:
    """The gain for the input of one layer."""
    found = inputs(at)
    symmetric, affine = (found[ASKED, kind].error for kind in ("symmetric", "affine"))
    codes = affine.scale_max / symmetric.scale_max
    return Number(gain(found, ASKED), within=1.0, unit="dB", said={
        "layer": ASKED, "symmetric": numbers.decibel(symmetric.sqnr_db), "affine": numbers.decibel(affine.sqnr_db),
        "answer": numbers.decibel(gain(found, ASKED)),
        "reason": f"Its values begin at {numbers.three(affine.rmin)}, so the affine step is {numbers.three(codes)} of "
                  "the symmetric one: nearly all of it is the one bit that negative codes wasted.",
    })  # fmt: skip


screen.show(__file__, {"activation": activation, "weight": weight}, {"gain": answer})
