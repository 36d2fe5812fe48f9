"""Lesson: the straight-through estimator on one weight, and a network that is trained in two bits."""

import html

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import loss_course, numbers
from qdebug.figures.lessons import training as charts
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetFixTrial, GetScore
from qdebug.recipes import AdaRound, Qat, with_fix
from qdebug.results import FixTrial, Score
from qdebug.web.core import ask, chart, growing, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, start
from qdebug.web.lessons.place import Place

STAIRS = charts.Staircase(step=0.5, low=-1.0, high=1.0)
STEPS = 200  # of the network's training
PUSHES = 40  # of the single weight's

ASKED = charts.Staircase(step=1.0, low=-1.0, high=1.0)
WEIGHT, SLOPE = 0.3, 2.0


def ste(at: Place) -> None:
    """A weight on the staircase."""
    weight = st.slider("Weight", -1.5, 1.5, 0.3, 0.05, key=at.key("weight"))
    chart.show(chart.of(charts.staircase, STAIRS, weight, dark=is_dark()), at.key("stairs"))


def push(at: Place) -> None:
    """A weight that is trained."""
    left, middle, right = st.columns(3)
    start = left.slider("Weight at first", -1.5, 1.5, -0.7, 0.05, key=at.key("start"))
    target = middle.slider("Target", -1.0, 1.0, 0.5, 0.05, key=at.key("target"))
    rate = right.slider("Learning rate", 0.01, 0.2, 0.03, 0.01, key=at.key("rate"))
    chart.show(
        chart.of(charts.descent, charts.descend(STAIRS, start, target, rate, PUSHES), dark=is_dark()), at.key("descent")
    )


def train(at: Place) -> None:
    """The network before training; on a click its training, and rounding by AdaRound for comparison."""
    metric = at.need(GetScore(at.ref, at.recipe)).metric
    title, value = numbers.metric_title(metric.name), numbers.metric_value
    st.html(f'<p class="q-lead">{html.escape(title.capitalize())} in 2 bits, rounded to nearest: '
            f"{value(metric.name, metric.quantized)}; float: {value(metric.name, metric.float_)}.</p>")  # fmt: skip
    request = GetFixTrial(at.ref, at.recipe, with_fix(at.recipe, Qat(iterations=STEPS)))
    hint = "Without labels: its outputs are to be those of the float network"
    if start.asked(at, "train", f"Train it for {STEPS} steps", request, hint=hint):
        growing.show(at.key("training"), request, lambda found, running: trained(at, found, running))


def trained(at: Place, found: FixTrial | None, running: Running | None) -> None:
    """The training as far as it is, and at its end the accuracy."""
    # The same boxes every time: what is drawn anew inside a fragment must find what it replaces.
    above, below = st.container(key=at.key("course")), st.container(key=at.key("outcome"))
    if found is None:
        return
    if len(found.losses) > 1:
        with above:
            chart.show(chart.of(loss_course, found.losses, dark=is_dark()), at.key("losses"))
    if running is None and found.after is not None:
        with below:
            outcome(at, found.after)
            if not found.losses:
                st.html(words.quiet("It was trained here before: the weights were kept, the course was not."))


def outcome(at: Place, after: Score) -> None:
    """The accuracy of the trained network, and of one that was rounded cleverly instead."""
    metric = after.metric
    said = f"{numbers.metric_title(metric.name).capitalize()} after training: "
    said += numbers.metric_value(metric.name, metric.quantized)
    rounded = ask.quiet(GetScore(at.ref, with_fix(at.recipe, AdaRound(iterations=STEPS))))
    if rounded is not None:
        said += f"; rounded by AdaRound instead: {numbers.metric_value(metric.name, rounded.metric.quantized)}"
    st.html(f'<p class="q-lead">{html.escape(said)}.</p>')
    st.html(words.quiet("The loss compares the outputs' distributions with the float network's; labels are not used."))


def gradient(at: Place) -> Number:
    """The slope at the rounded weight, passed on as the estimator does."""
    answer = SLOPE * ASKED.slope(WEIGHT)
    return Number(answer, within=0.01, said={
        "weight": f"{WEIGHT:g}", "low": f"{ASKED.low:g}".replace("-", "−"), "high": f"{ASKED.high:g}",
        "step": f"{ASKED.step:g}", "slope": f"{SLOPE:g}", "answer": f"{answer:g}",
    })  # fmt: skip


screen.show(__file__, {"ste": ste, "push": push, "train": train}, {"ste": gradient})
