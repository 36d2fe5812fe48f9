"""Lesson 6: ranges that are fixed, and ranges for each sample or each token, in a vision transformer."""

import streamlit as st

from qdebug.classroom.answer import Choice
from qdebug.figures import numbers
from qdebug.figures.lessons.reach import range_bars
from qdebug.figures.lessons.ways import way_marks
from qdebug.jobs.verbs import GetInputRanges, GetLayers, GetScore
from qdebug.recipes import Recipe, preset, set_layers
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

LAYERS = ("blocks.0.mlp.fc2", "blocks.0.attn.proj", "blocks.0.attn.qkv", "blocks.3.attn.proj")
ASKED = LAYERS[0]
CONVOLUTION = "patch_embed"
WAYS = ("static", "dynamic", "per token")


def recipes(at: Place) -> dict[str, Recipe]:
    """The lesson's recipe, and the same with dynamic ranges. A convolution's input has no tokens."""
    dynamic = preset("w8a8-dyn")
    token = set_layers(preset("w8a8-tok"), {CONVOLUTION: dynamic.default})
    return dict(zip(WAYS, (at.recipe, dynamic, token), strict=True))


def ranges(at: Place) -> None:
    """The range of every sample, and of every token of the one that is chosen."""
    found = dict(zip(LAYERS, at.need_all(*(GetInputRanges(at.ref, at.recipe, one) for one in LAYERS)), strict=True))
    layer = st.selectbox("Input of", LAYERS, key=at.key("layer"))
    one = found[layer]
    samples = one.samples
    sample = st.slider("Sample", 0, len(samples) - 1, 0, key=at.key("sample"))
    chart.show(
        chart.of(range_bars, samples, one.clip, "sample", "static range", dark=is_dark(), chosen=sample),
        at.key("samples"),
    )
    chart.show(
        chart.of(range_bars, one.tokens(sample), samples[sample], "token", f"range of sample {sample}", dark=is_dark()),
        at.key("tokens"),
    )


def levels(at: Place) -> dict[str, dict[str, float]]:
    """The SQNR of every layer's input in dB, by way."""
    tables = at.need_all(*(GetLayers(at.ref, one) for one in recipes(at).values()))
    return {
        way: {row.name: row.activation.sqnr_db for row in table.rows if row.activation and row.activation.sqnr_db}
        for way, table in zip(WAYS, tables, strict=True)
    }


def compare(at: Place) -> None:
    """The three ways in every layer, and what the network makes of them."""
    found = levels(at)
    scores = at.need_all(*(GetScore(at.ref, one) for one in recipes(at).values()))
    names = [name for name in found[WAYS[0]] if all(name in one for one in found.values())]
    marks = {way: [one[name] for name in names] for way, one in found.items()}
    chart.show(chart.of(way_marks, names, marks, dark=is_dark()), at.key("ways"))
    metric = scores[0].metric
    told = [
        f"{numbers.metric_value(metric.name, one.metric.quantized)} {way}"
        for way, one in zip(WAYS, scores, strict=True)
    ]
    title = numbers.metric_title(metric.name)
    plain = numbers.metric_value(metric.name, metric.float_)
    st.html(words.quiet(f"{title[:1].upper()}{title[1:]}: {', '.join(told)}; in float {plain}."))


def choice(at: Place) -> Choice:
    """The way with the highest SQNR for one input."""
    found = {way: one[ASKED] for way, one in levels(at).items()}
    texts = dict(zip(("static", "dynamic", "token"), (numbers.decibel(one) for one in found.values()), strict=True))
    return Choice(WAYS, right=(max(found, key=found.__getitem__),), said={"layer": ASKED, **texts})


screen.show(__file__, {"ranges": ranges, "compare": compare}, {"choice": choice})
