"""Lesson: what each layer does in each format, predicted and measured, and the mixture that a budget buys."""

from collections.abc import Callable

import streamlit as st

from qdebug.classroom.answer import Choice
from qdebug.figures import front_figure, map_figure, numbers
from qdebug.figures.sensitivity_charts import by_depth, predicted_measured
from qdebug.figures.text import listed
from qdebug.jobs.verbs import GetMixture, GetSensitivity, Open
from qdebug.recipes import Recipe, parse_plan
from qdebug.results import Mixture, Sensitivity
from qdebug.results.sensitivity import Mode
from qdebug.web.core import ask, chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, start
from qdebug.web.lessons.place import Place

FORMATS = ("w8a8-pc", "w4a8-pc", "w2a8-pc")
FOUR = FORMATS[1]
PLANS = tuple((name, parse_plan(name)) for name in FORMATS)
WEIGHTS = {name: plan.weight.format for name, plan in PLANS}
MEASURED = 8  # points of the front that are evaluated


def request(at: Place, mode: Mode) -> GetSensitivity:
    """Every layer in every format."""
    return GetSensitivity(at.ref, Recipe(), PLANS, mode=mode)


def known(at: Place) -> Sensitivity:
    """What was measured, if it was, else predictions."""
    exact = request(at, "exact")
    return at.need(exact if ask.is_known(exact) else request(at, "predict"))


def sensitivity(at: Place) -> None:
    """The error of each layer in each format; measured on a click."""
    chart.show(chart.of(by_depth, known(at), WEIGHTS, dark=is_dark()), at.key("depth"))
    exact = request(at, "exact")
    hint = f"Evaluates the network {len(known(at).rows)} times: each layer in each format alone"
    if not start.asked(at, "measure", "Measure them all", exact, hint=hint):
        return
    found = at.need(exact)
    chart.show(chart.of(predicted_measured, found, WEIGHTS, dark=is_dark()), at.key("measured"))
    st.html(words.quiet("Each mark is a layer in a format. ◆ lies further from the line than chance explains."))


def front(at: Place) -> None:
    """What precision buys, and each layer's format at a budget."""
    found: Mixture = at.need(GetMixture(at.ref, Recipe(), FORMATS, "bits", confirm=MEASURED))
    places = [place for place, point in enumerate(found.front) if point.origin == "search"]
    places.sort(key=lambda place: found.front[place].cost)
    place = st.select_slider(
        "Budget, bits per weight", places, places[len(places) // 2], key=at.key("budget"), format_func=costs(found)
    )
    point = found.front[place]
    counts = [f"{many} in {name}" for name, many in zip(found.formats, point.formats, strict=True) if many]
    st.html(words.quiet(
        f"{listed(tuple(counts))}: {numbers.three(point.bits_per_weight)} bits per weight, "
        f"{numbers.size(point.bytes)}; predicted error {numbers.three(point.predicted)} per sample."
    ))  # fmt: skip
    chart.show(chart.of(front_figure, found, place, dark=is_dark()), at.key("front"))
    st.html(words.quiet("○ predicted, with a bar where measured mixtures set it right; ● measured; lower is better"))
    chart.show(chart.of(map_figure, found, place, dark=is_dark()), at.key("map"))
    st.html(
        words.quiet("A column for each mixture, fewer bits to the left; the warmer, the fewer bits. □ the chosen one")
    )


def costs(found: Mixture) -> Callable[[int], str]:
    """How a budget is written."""
    return lambda place: f"{found.front[place].cost:.3g}"


def first(at: Place) -> Choice:
    """The layer whose error in four bits is largest."""
    rows = known(at).of_format(FOUR)
    errors = {row.layer: (row.predicted if row.exact is None else row.exact) or 0.0 for row in rows}
    answer = max(errors, key=errors.__getitem__)
    info = at.need(Open(at.ref))
    params = next(layer.params for layer in info.layers if layer.name == answer)
    return Choice(tuple(errors), (answer,), said={
        "answer": answer, "share": numbers.share(errors[answer] / sum(errors.values())), "many": str(len(errors)),
        "params": numbers.count(params), "total": numbers.count(info.params),
    })  # fmt: skip


screen.show(__file__, {"sensitivity": sensitivity, "front": front}, {"first": first})
