"""Lesson: four-bit formats, by where their codes lie, how uneven the blocks are, and what is left of the values."""

import streamlit as st
from msgspec.structs import replace

from qdebug.classroom.answer import Number
from qdebug.figures import crest_figure, error_bars
from qdebug.figures.crest import crest_finding
from qdebug.figures.lessons.code_lines import grid_lines
from qdebug.formats import FORMATS
from qdebug.jobs.verbs import GetFormats
from qdebug.recipes import Recipe
from qdebug.results import DISTRIBUTIONS, FormatComparison, Values
from qdebug.web.core import ask, chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

GRIDS = ("int4", "nf4", "fp4")
COMPARED = ("int4-pc", "int4g32", "nf4", "fp4g32", "mxfp4", "nvfp4", "mxint4", "nvint4")
LOOKED_AT = {
    "weights of blocks.2.mlp.fc1": Values(layer="blocks.2.mlp.fc1"),
    **{DISTRIBUTIONS[name]: Values(distribution=name) for name in ("gaussian", "uniform", "laplace", "outliers")},
}
FIRST = next(iter(LOOKED_AT))
SMALLER = 8  # values of the blocks that are asked about


def compared(at: Place) -> FormatComparison:
    """The formats on the values that were chosen."""
    chosen = st.session_state.get(at.key("values"), FIRST)
    return at.need(request(at, LOOKED_AT[chosen]))


def request(at: Place, values: Values) -> GetFormats:
    """The question for some values."""
    return GetFormats(at.ref, Recipe(), values, COMPARED)


def grids(at: Place) -> None:
    """Where the codes lie."""
    chart.show(chart.of(grid_lines, GRIDS, dark=is_dark()), at.key("grids"))


def crest(at: Place) -> None:
    """How far the peaks of blocks stand out, for the values that are chosen."""
    st.selectbox("Values", list(LOOKED_AT), key=at.key("values"), width=360)
    found = compared(at)
    st.html(words.quiet(f"{crest_finding(found.crests)}."))
    for view in found.crests:
        four = replace(view, pairs=tuple(pair for pair in view.pairs if pair.integer.endswith("int4")))
        chart.show(chart.of(crest_figure, four, dark=is_dark(), height=210), at.key(f"crest-{view.size}"))
    for values in LOOKED_AT.values():
        ask.quiet(request(at, values))


def table(at: Place) -> None:
    """What is left of these values in each format."""
    chart.show(chart.of(error_bars, compared(at), dark=is_dark(), chosen=("mxfp4", "nvfp4")), at.key("table"))
    st.html(words.quiet("Bits are those of a value with its part of the scales. ◇ after a Hadamard rotation."))


def blocks(at: Place) -> Number:
    """Bits of a weight in blocks of half the size."""
    own, mx = FORMATS["nvfp4"], FORMATS["mxfp4"]
    answer = own.bits + 8 / SMALLER
    return Number(answer, within=0.01, unit="bits", said={
        "now": f"{own.bits_per_weight:g}", "size": str(own.group), "smaller": str(SMALLER), "answer": f"{answer:g}",
        "mx": f"{mx.bits_per_weight:g}",
    })  # fmt: skip


screen.show(__file__, {"grids": grids, "crest": crest, "table": table}, {"blocks": blocks})
