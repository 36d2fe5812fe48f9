"""Lesson 1: scale and zero point, on the weights of the classifier at the network's end."""

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import numbers, tensor_histogram
from qdebug.jobs.verbs import GetFormatView
from qdebug.results import TensorView, Values
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

LAYER = "fc"
MOST = 8
LARGEST = 127


def view(at: Place, bits: int) -> TensorView:
    """The layer's weights in so many bits, one scale for all."""
    return at.need(GetFormatView(at.ref, at.recipe, Values(layer=LAYER), f"int{bits}"))


def tensor(at: Place) -> None:
    """The weights with their 8-bit codes."""
    chart.show(chart.of(tensor_histogram, view(at, 8), f"weights of {LAYER}", dark=is_dark()), at.key("tensor"))


def bits(at: Place) -> None:
    """The same in fewer bits, as chosen."""
    at.need_all(*(GetFormatView(at.ref, at.recipe, Values(layer=LAYER), f"int{n}") for n in range(2, MOST + 1)))
    chosen = st.slider("Bits", 2, MOST, 4, key=at.key("bits"))
    found = view(at, chosen)
    chart.show(chart.of(tensor_histogram, found, f"weights of {LAYER}", dark=is_dark()), at.key("coarse"))
    step, db = numbers.three(found.error.scale_max), numbers.decibel(found.error.sqnr_db)
    st.html(words.quiet(f"{2**chosen} codes, {step} apart. Signal to quantization noise: {db} dB."))


def follow(at: Place) -> None:
    """One number through the map and back."""
    error = view(at, 8).error
    scale, largest = error.scale_max, max(abs(error.rmin), abs(error.rmax))
    start = round(largest / 3, 3)
    number = st.slider(
        "A real number", -round(1.3 * largest, 3), round(1.3 * largest, 3), start, step=0.001, format="%.3f",
        key=at.key("number"),
    )  # fmt: skip
    st.html(steps_html(number, scale))


def steps_html(number: float, scale: float) -> str:
    """Every step of the map, symmetric in 8 bits."""
    position = number / scale
    code = max(-LARGEST, min(LARGEST, round(position)))
    back, three = code * scale, numbers.three
    lost = f"{three(abs(back - number))}, {three(abs(back - number) / scale)} of a step"
    cut = " (cut off at the end)" if abs(round(position)) > LARGEST else ""
    rows = {
        "divide by the scale": f"{number:.3f} / {scale:.5f} = {three(position)}",
        "add the zero point": f"{three(position)} + 0",
        "round, cut off at the ends": f"<b>{code}</b>{cut}",
        "multiply by the scale": f"{code} · {scale:.5f} = {three(back)}",
        "lost": lost,
    }
    return '<dl class="q-steps">' + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items()) + "</dl>"


def scale(at: Place) -> Number:
    """The symmetric scale of the weights in 8 bits."""
    error = view(at, 8).error
    largest = max(abs(error.rmin), abs(error.rmax))
    answer = largest / LARGEST
    low = f"{error.rmin:.4f}".replace("-", "−")
    return Number(answer, within=0.006 * answer, said={
        "layer": LAYER, "low": low, "high": f"{error.rmax:.4f}", "largest": f"{largest:.4f}",
        "answer": numbers.three(answer),
    })  # fmt: skip


screen.show(__file__, {"tensor": tensor, "bits": bits, "follow": follow}, {"scale": scale})
