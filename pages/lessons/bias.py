"""Lesson 8: mean errors of output channels, and the correction that takes them out of the bias."""

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import mean_shift, numbers
from qdebug.jobs.verbs import GetDetail
from qdebug.recipes import BiasCorrection
from qdebug.results import LayerDetail
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, trial
from qdebug.web.lessons.place import Place

LAYERS = ("blocks.2.project", "blocks.1.dw", "stem.conv", "blocks.3.expand")
ASKED = "blocks.1.dw"
FIX = BiasCorrection()


def details(at: Place) -> dict[str, LayerDetail]:
    """The layers that can be chosen, measured alone."""
    return dict(zip(LAYERS, at.need_all(*(GetDetail(at.ref, at.recipe, layer) for layer in LAYERS)), strict=True))


def shift(at: Place) -> None:
    """The mean error of every output channel of a layer, beside its whole error."""
    found = details(at)
    layer = st.segmented_control("Output of", LAYERS, default=LAYERS[0], required=True, key=at.key("layer"))
    one = found[layer or LAYERS[0]]
    chart.show(chart.of(mean_shift, one, dark=is_dark(), height=220), at.key("shift"))
    st.html(words.quiet(
        f"Mean squared error of the output: {numbers.three(one.mse)}. Mean square of the channels' shifts: "
        f"{numbers.three(one.mean_square_shift)}. The layer is quantized alone, in 8 bits."
    ))  # fmt: skip


def apply(at: Place) -> None:
    """Bias correction, on a click."""
    trial.draw(at, "apply", FIX, upstream=True)


def part(at: Place) -> Number:
    """Which part of the squared error is shift."""
    one = details(at)[ASKED]
    answer = one.mean_square_shift / one.mse
    return Number(100 * answer, within=10.0, unit="%", said={
        "layer": ASKED, "shift": numbers.three(one.mean_square_shift), "mse": numbers.three(one.mse),
        "answer": numbers.percent(answer),
    })  # fmt: skip


screen.show(__file__, {"shift": shift, "apply": apply}, {"part": part})
