"""Lesson 2: a clip limit and its two errors, on weights with long tails."""

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import error_parts, error_split, numbers, tensor_histogram
from qdebug.figures.lessons.clipping import clip_curve, gain_db
from qdebug.jobs.verbs import GetClipCurve, GetFormatView
from qdebug.results import ClipCurve, TensorView, Values
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

LAYER = "blocks.3.project"
ASKED = 4
FEWEST, MOST = 3, 8
LIMITS = tuple(range(10, 101, 5))  # clip limits that can be chosen, in percent of the largest magnitude


def curves(at: Place) -> dict[int, ClipCurve]:
    """The errors at every limit, by bits."""
    wanted = range(FEWEST, MOST + 1)
    found = at.need_all(*(GetClipCurve(at.ref, at.recipe, LAYER, f"int{bits}") for bits in wanted))
    return dict(zip(wanted, found, strict=True))


def views(at: Place, largest: float) -> dict[int, TensorView]:
    """The weights on their grid in 4 bits at every limit that can be chosen."""
    asked = (
        GetFormatView(
            at.ref,
            at.recipe,
            Values(layer=LAYER),
            f"int{ASKED}",
            clip=(-percent * largest / 100, percent * largest / 100),
        )
        for percent in LIMITS
    )
    return dict(zip(LIMITS, at.need_all(*asked), strict=True))


def range_(at: Place) -> None:
    """The weights and their codes with a limit that can be moved."""
    found = views(at, curves(at)[ASKED].largest)
    percent = st.select_slider(
        "Clip limit, % of the largest magnitude", LIMITS, value=LIMITS[-1], key=at.key("limit"),
        format_func=lambda one: f"{one} %",
    )  # fmt: skip
    view, full = found[percent], found[LIMITS[-1]]
    chart.show(chart.of(tensor_histogram, view, f"weights of {LAYER}", dark=is_dark()), at.key("range"))
    chart.show(chart.of(error_split, error_parts(view.error, None), dark=is_dark(), height=90), at.key("split"))
    part = numbers.percent(view.error.mse / full.error.mse)
    st.html(words.quiet(
        f"{ASKED} bits, step {numbers.three(view.error.scale_max)}. Squared error: {part} of that at the full range, "
        f"signal to quantization noise {numbers.decibel(view.error.sqnr_db)} dB."
    ))  # fmt: skip


def curve(at: Place) -> None:
    """Both errors and their sum at every limit, in as many bits as chosen."""
    found = curves(at)
    bits = st.slider("Bits", min(found), max(found), MOST, key=at.key("bits"))
    chart.show(chart.of(clip_curve, found[bits], dark=is_dark()), at.key("curve"))


def best(at: Place) -> Number:
    """The limit with the least error, in percent of the largest magnitude."""
    found = curves(at)[ASKED]
    answer = 100 * found.parts[found.best]
    return Number(answer, within=10.0, unit="%", said={
        "layer": LAYER, "answer": f"{answer:.0f} %", "gain": numbers.decibel(gain_db(found)),
        "clipped": numbers.share(found.clipping[found.best] / found.whole[found.best]),
    })  # fmt: skip


screen.show(__file__, {"range": range_, "curve": curve}, {"best": best})
