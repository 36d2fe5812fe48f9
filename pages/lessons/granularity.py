"""Lesson 4: one scale for a tensor, for each channel, for each group, on weights of the broken network."""

import html
import math

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import numbers
from qdebug.figures.lessons.codes import channel_codes, codes_reached
from qdebug.jobs.verbs import GetFormatView, Open
from qdebug.recipes import parse_weight_format
from qdebug.results import Values
from qdebug.targets import stored_bits
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

UNEVEN = "blocks.2.dw"
LARGEST = 127
LAYERS = ("blocks.2.project", "blocks.3.project", "fc")
SHARING = {"the whole tensor": "", "each channel": "-pc", "128 weights": "g128", "32 weights": "g32"}
BITS = (8, 4, 3)
ASKED = 64


def channels(at: Place) -> None:
    """How many codes each channel has, with one scale and with its own."""
    ranges = at.need(GetFormatView(at.ref, at.recipe, Values(layer=UNEVEN), "int8")).channels
    kinds = ("the whole tensor", "each channel")
    kind = st.segmented_control("One scale for", kinds, default=kinds[0], required=True, key=at.key("own"))
    counts = codes_reached(ranges, LARGEST, own=kind == kinds[1])
    chart.show(chart.of(channel_codes, counts, ranges, 2 * LARGEST + 1, dark=is_dark()), at.key("channels"))
    middle = numbers.times(ranges.widest_ratio)
    st.html(words.quiet(f"Weights of {UNEVEN} in 8 bits. Its widest channel is {middle} the median."))


def bits_per_weight(at: Place, layer: str, notation: str) -> float:
    """What a format takes for each weight of a layer, scales included."""
    shape = next(one.weight_shape for one in at.need(Open(at.ref)).layers if one.name == layer)
    rows, columns = shape[0], math.prod(shape[1:])
    return stored_bits(rows, columns, parse_weight_format(notation)) / (rows * columns)


def table(at: Place) -> None:
    """Signal to noise and bits per weight, for each number of scales and bits."""
    layer = st.selectbox("Weights of", LAYERS, key=at.key("layer"))
    cells = {(name, bits): f"int{bits}{suffix}" for name, suffix in SHARING.items() for bits in BITS}
    asked = [
        GetFormatView(at.ref, at.recipe, Values(layer=one), notation) for one in LAYERS for notation in cells.values()
    ]
    found = dict(zip(((one.values.layer, one.notation) for one in asked), at.need_all(*asked), strict=True))
    errors = {cell: found[layer, notation].error.sqnr_db for cell, notation in cells.items()}
    sizes = {cell: bits_per_weight(at, layer, notation) for cell, notation in cells.items()}
    st.html(table_html(errors, sizes))


def table_html(errors: dict[tuple[str, int], float | None], sizes: dict[tuple[str, int], float]) -> str:
    """A row for each number of scales, two columns for each number of bits."""
    heads = "".join(f'<th scope="col">int{bits}, dB</th><th scope="col">bits per weight</th>' for bits in BITS)
    rows = "".join(
        f'<tr><td style="text-align:left">{html.escape(name)}</td>'
        + "".join(f"<td>{numbers.decibel(errors[name, bits])}</td><td>{sizes[name, bits]:.2f}</td>" for bits in BITS)
        + "</tr>"
        for name in SHARING
    )
    head = f'<tr><th scope="col" style="text-align:left">one scale for</th>{heads}</tr>'
    return words.scrolling(f'<table class="q-setters">{head}{rows}</table>')


def answer(at: Place) -> Number:
    """Codes and scales of int4 in larger groups."""
    size = bits_per_weight(at, LAYERS[0], f"int4g{ASKED}")
    return Number(size, within=0.02, unit="bits", said={"size": str(ASKED), "answer": numbers.three(size)})


screen.show(__file__, {"channels": channels, "table": table}, {"bits": answer})
