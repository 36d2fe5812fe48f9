"""Lesson: nearest rounding against rounding that looks at the output, from two weights to a language model."""

import html

import streamlit as st

from qdebug.classroom.answer import Choice
from qdebug.figures import numbers, tried_layers
from qdebug.figures.lessons import rounding as charts
from qdebug.jobs.verbs import GetDetail, GetFixTrial, GetInputCosines
from qdebug.recipes import AdaRound, Fix, Gptq, Recipe, parse_plan, preset, set_layers, with_fix
from qdebug.results import FixTrial
from qdebug.web.core import ask, chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, start
from qdebug.web.lessons.place import Place

LAYER = "blocks.0.attn.qkv"
KINDS: dict[str, Fix | None] = {"nearest": None, "GPTQ": Gptq(), "AdaRound": AdaRound(iterations=200)}
BITS = (2, 3, 4)
ASKED = (0.4, 0.4)


def alone(bits: int, fix: Fix | None) -> Recipe:
    """The layer's weights alone in so many bits, groups of 32, rounded in one way."""
    recipe = set_layers(preset("w32a32"), {LAYER: parse_plan(f"w{bits}g32a16")})
    return with_fix(recipe, fix) if fix else recipe


def toy(at: Place) -> None:
    """Two weights, moved at will, and how far their inputs go together."""
    left, middle, right = st.columns(3)
    one = left.slider("First weight", 0.0, 1.0, 0.3, 0.05, key=at.key("one"))
    two = middle.slider("Second weight", 0.0, 1.0, 0.3, 0.05, key=at.key("two"))
    together = right.slider("Cosine of the inputs", -1.0, 1.0, 0.0, 0.05, key=at.key("together"))
    chart.show(chart.of(charts.corners, (one, two), together, dark=is_dark()), at.key("corners"))
    st.html(words.quiet(
        "✕ the float weights; at each pair of codes the mean squared error of the output, inputs having the mean "
        "square 1; ■ nearest rounding; filled: the best."
    ))  # fmt: skip


def inputs(at: Place) -> None:
    """How far the inputs of a real layer go together."""
    found = at.need(GetInputCosines(at.ref, Recipe(), LAYER))
    chart.show(chart.of(charts.cosines, found, dark=is_dark()), at.key("cosines"))
    st.html(words.quiet(f"{len(found.channels)} of {found.total} channels, over {numbers.count(found.n)} tokens."))


def layer(at: Place) -> None:
    """One layer rounded in three ways."""
    bits = st.segmented_control("Bits of the weights", BITS, default=3, key=at.key("bits"), required=True)
    found = at.need_all(*(GetDetail(at.ref, alone(bits, fix), LAYER) for fix in KINDS.values()))
    rows = {}
    for name, detail in zip(KINDS, found, strict=True):
        assert detail.weight and detail.weight.error.sqnr_db is not None and detail.output.sqnr_db is not None
        rows[name] = charts.Rounded(detail.weight.error.sqnr_db, detail.output.sqnr_db)
    chart.show(chart.of(charts.roundings, rows, dark=is_dark()), at.key("roundings"))
    st.html(words.quiet(f"{LAYER} in {bits} bits, groups of 32; everything else is float."))
    for other in BITS:
        for fix in KINDS.values():
            ask.quiet(GetDetail(at.ref, alone(other, fix), LAYER))


def model(at: Place) -> None:
    """GPTQ on all layers, on a click."""
    request = GetFixTrial(at.ref, at.recipe, with_fix(at.recipe, Gptq()))
    if start.asked(at, "gptq", "Round the whole network with GPTQ", request, hint="Takes about a minute"):
        ask.show(at.key("trial"), request, lambda found, fresh: tried(at, found))


def tried(at: Place, found: FixTrial) -> None:
    """The network before and after."""
    assert found.before and found.after
    before, after = found.before.metric, found.after.metric
    name, value = numbers.metric_title(before.name), numbers.metric_value
    st.html(f'<p class="q-lead">{html.escape(name.capitalize())} in 3 bits: nearest {value(name, before.quantized)}, '
            f"GPTQ {value(name, after.quantized)}, float {value(name, before.float_)}.</p>")  # fmt: skip
    chart.show(chart.of(tried_layers, found, dark=is_dark(), most=20, hint=False), at.key("tried"))


def best(at: Place) -> Choice:
    """The pairs of codes with the smallest error of the output, both inputs being 1."""
    errors = charts.errors_of(ASKED, 1.0)
    least = min(errors.values())
    right = tuple(code for code, error in errors.items() if error <= least * (1 + 1e-9))
    near, output = charts.nearest(ASKED), sum(ASKED)
    return Choice(tuple(map(str, errors)), tuple(map(str, right)), said={
        "one": f"{ASKED[0]:g}", "two": f"{ASKED[1]:g}", "output": f"{output:g}", "best": " or ".join(map(str, right)),
        "made": str(sum(right[0])), "off": f"{abs(sum(right[0]) - output):.2g}", "near": str(near),
        "wrong": str(sum(near)), "far": f"{abs(sum(near) - output):.2g}",
    })  # fmt: skip


screen.show(__file__, {"toy": toy, "inputs": inputs, "layer": layer, "model": model}, {"toy": best})
