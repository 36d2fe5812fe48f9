"""Lesson 7: uneven channels of a depthwise layer, and cross-layer equalization that evens them out."""

import math

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import before_after, channel_ranges, numbers
from qdebug.jobs.verbs import GetFormatView, GetReadRanges
from qdebug.recipes import CrossLayerEqualization, with_fix
from qdebug.results import ChannelRanges, Values
from qdebug.web.core import chart, clicked, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, trial
from qdebug.web.lessons.place import Place

WRITTEN, READ = "blocks.2.dw", "blocks.2.project"
LAYERS = (WRITTEN, "blocks.1.dw", READ, "fc")
FIX = CrossLayerEqualization()


def channels(at: Place) -> None:
    """The filters of a depthwise layer, and how the layer behind reads them."""
    written, read = sides(at)
    chart.show(chart.of(channel_ranges, written, dark=is_dark(), height=190), at.key("written"))
    st.html(words.quiet(f"Weights of {WRITTEN}, by the channel they write."))
    chart.show(chart.of(channel_ranges, read, dark=is_dark(), height=190), at.key("read"))
    narrow = "The narrowest, at the right end, read the widest filters."
    st.html(words.quiet(f"Weights of {READ}, by the channel they read. {narrow}"))


def sides(at: Place) -> tuple[ChannelRanges, ChannelRanges]:
    """The same channels where they are written and where they are read."""
    view, read = at.need_all(
        GetFormatView(at.ref, at.recipe, Values(layer=WRITTEN), "int8"), GetReadRanges(at.ref, at.recipe, READ)
    )
    return view.channels, read


def apply(at: Place) -> None:
    """Equalization, on a click."""
    trial.draw(at, "apply", FIX)


def after(at: Place) -> None:
    """A layer's channels before and after, once it was applied."""
    if not clicked.is_wanted(trial.request(at, FIX)):
        st.html(words.quiet("Here the channels before and after appear when it is applied."))
        return
    fixed = with_fix(at.recipe, FIX)
    pairs = [(layer, recipe) for layer in LAYERS for recipe in (at.recipe, fixed)]
    views = at.need_all(*(GetFormatView(at.ref, recipe, Values(layer=layer), "int8") for layer, recipe in pairs))
    found = dict(zip(pairs, views, strict=True))
    layer = st.segmented_control("Weights of", LAYERS, default=WRITTEN, required=True, key=at.key("layer")) or WRITTEN
    before, now = found[layer, at.recipe], found[layer, fixed]
    chart.show(chart.of(before_after, before.channels, now.channels, dark=is_dark(), height=220), at.key("after"))
    codes = [one.error.used_codes for one in (before, now)]
    levels = [numbers.decibel(one.error.sqnr_db) for one in (before, now)]
    st.html(words.quiet(
        f"Codes used: {codes[0]} of {before.error.codes} before, {codes[1]} after. Signal to quantization noise: "
        f"{levels[0]} dB before, {levels[1]} dB after."
    ))  # fmt: skip


def factor(at: Place) -> Number:
    """The range that the widest channel gets where it is written and where it is read."""
    written, read = (
        [max(abs(low), abs(high)) for low, high in zip(one.low, one.high, strict=True)] for one in sides(at)
    )
    channel = max(range(len(written)), key=written.__getitem__)
    answer = math.sqrt(written[channel] * read[channel])
    return Number(answer, within=0.03 * answer, said={
        "channel": str(channel), "written": WRITTEN, "read": READ, "r1": numbers.three(written[channel]),
        "r2": numbers.three(read[channel]), "answer": numbers.three(answer),
        "narrower": numbers.times(written[channel] / answer),
    })  # fmt: skip


screen.show(__file__, {"channels": channels, "apply": apply, "after": after}, {"factor": factor})
