"""Lesson 5: where ranges of activations come from, how many samples they take, and who sets them."""

import html

import streamlit as st
from msgspec.structs import replace

from qdebug.classroom.answer import Choice
from qdebug.figures import calibration_curve, coverage_bars, numbers, settling
from qdebug.figures.calibration import setters_finding, tolerance_words
from qdebug.figures.settling import WORDS
from qdebug.figures.text import plural
from qdebug.jobs.verbs import GetCalibrationCurve, GetConvergence, GetRangeSetters
from qdebug.results import CalibrationCurve
from qdebug.web.core import chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import samples, screen
from qdebug.web.lessons.place import Place

LAYERS = ("blocks.2.project", "blocks.1.project", "fc")
DRAWS = 2
SLACK = 0.02
SHOWN = 5
METHODS = ("minmax", "mse")


def settling_(at: Place) -> None:
    """The range of a layer's input after 1, 2, 4 … samples, by range method."""
    found = dict(zip(LAYERS, at.need_all(*(GetConvergence(at.ref, at.recipe, one) for one in LAYERS)), strict=True))
    left, right = st.columns(2)
    layer = left.selectbox("Input of", LAYERS, key=at.key("layer"))
    methods = [row.method for row in found[layer].methods]
    method = right.selectbox("Range method", methods, key=at.key("method"), format_func=WORDS.__getitem__)
    chart.show(chart.of(settling, found[layer], method or methods[0], dark=is_dark(), height=280), at.key("settling"))
    st.html(words.quiet("A dot marks the number of samples from which on a range stays within 5 % of its last."))


def setters(at: Place) -> None:
    """The calibration samples that set most ends."""
    found = at.need(GetRangeSetters(at.ref, at.recipe))
    st.html(f'<h3 class="q-chart-title">{html.escape(setters_finding(found))}</h3>')
    st.html(samples.setters_html(found.samples[:SHOWN]))
    st.html(words.quiet(
        f"{plural(found.setters, 'sample')} of {found.n_calib} set {plural(found.limits, 'end')} of ranges alone."
    ))  # fmt: skip


def coverage(at: Place) -> None:
    """What of the evaluation data leaves the ranges."""
    found = at.need(GetRangeSetters(at.ref, at.recipe))
    chart.show(chart.of(coverage_bars, found, dark=is_dark(), most=8), at.key("coverage"))
    st.html(words.quiet("“Farthest” is how far beyond the range values go, in multiples of its width."))


def measured(at: Place, method: str) -> CalibrationCurve:
    """The metric against the number of samples, with a range method."""
    plan = at.recipe.default
    changed = replace(plan, activation=replace(plan.activation, range=method))
    return at.need(GetCalibrationCurve(at.ref, replace(at.recipe, default=changed), DRAWS))


def curve(at: Place) -> None:
    """The accuracy against the number of samples. The second method is measured when it is chosen."""
    method = st.segmented_control(
        "Range method", METHODS, default=METHODS[0], required=True, key=at.key("range"), format_func=WORDS.__getitem__
    )
    found = measured(at, method or METHODS[0])
    chart.show(chart.of(calibration_curve, found, dark=is_dark(), height=280), at.key("curve"))
    value = numbers.metric_value(found.metric, found.float_value)
    st.html(words.quiet(
        f"Line and band: mean and span of {plural(found.subsets, 'draw')}. Dotted: {tolerance_words(found)} around "
        f"what all samples give. The float network has {value}."
    ))  # fmt: skip


def answer(at: Place) -> Choice:
    """The most samples with which the mean has not fallen yet."""
    found = measured(at, METHODS[0])
    good = 0
    while good < len(found.points) and found.points[good].mean >= found.float_value - SLACK:
        good += 1
    there, after = found.points[max(good - 1, 0)], found.points[min(good, len(found.points) - 1)]
    last = found.points[-1]
    shown = {
        name: numbers.metric_value(found.metric, one.mean)
        for name, one in (("there", there), ("next", after), ("last", last))
    }
    return Choice(tuple(str(one.samples) for one in found.points), right=(str(there.samples),), said={
        **shown, "slack": f"{100 * SLACK:.0f}", "answer": str(there.samples), "total": str(last.samples),
    })  # fmt: skip


screen.show(
    __file__, {"settling": settling_, "setters": setters, "coverage": coverage, "curve": curve}, {"samples": answer}
)
