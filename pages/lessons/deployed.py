"""Lesson: integer arithmetic of a layer, and an exported file in a real runtime against its simulation."""

import html

import streamlit as st

from qdebug.classroom.answer import Number
from qdebug.figures import drift, numbers
from qdebug.figures.agreement import runtime_name, verified_finding
from qdebug.jobs.verbs import GetDetail, GetVerified, Open
from qdebug.results import Verified
from qdebug.web.core import ask, chart, words
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen, start
from qdebug.web.lessons.place import Place

SHOWN, ASKED = "fc", "stem.conv"
LARGEST = 127  # of the codes of a weight
SUM = 2**31 - 1  # of a sum


def steps(at: Place, layer: str) -> tuple[float, tuple[float, ...]]:
    """A step of a layer's input, and one of the weights of each output channel, symmetric in 8 bits."""
    detail = at.need(GetDetail(at.ref, at.recipe, layer))
    assert detail.weight and detail.activation
    limits = zip(detail.weight.channels.low, detail.weight.channels.high, strict=True)
    return detail.activation.error.scale_max, tuple(max(-low, high) / LARGEST for low, high in limits)


def arithmetic(at: Place) -> None:
    """The units of codes, products and sums in the classifier."""
    data, weights = steps(at, SHOWN)
    inputs = next(layer.in_features for layer in at.need(Open(at.ref)).layers if layer.name == SHOWN)
    channel = st.slider("Output channel", 0, len(weights) - 1, 0, key=at.key("channel"))
    st.html(steps_html(data, weights[channel], inputs))


def steps_html(data: float, weight: float, inputs: int) -> str:
    """What a step stands for at every stage, and the largest sum that can come."""
    three, largest = numbers.three, inputs * 255 * LARGEST
    rows = {
        "a step of the input": three(data),
        "a step of the weights": three(weight),
        "a step of a product, and of the sum": f"{three(data)} · {three(weight)} = <b>{three(data * weight)}</b>",
        f"largest sum of {numbers.count(inputs)} products":
            f"{inputs} · 255 · {LARGEST} = {numbers.count(largest)}, {numbers.share(largest / SUM)} of 32 bits' range",
    }  # fmt: skip
    body = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items())
    return f'<p class="q-quiet">Layer <code class="q-name">{SHOWN}</code></p><dl class="q-steps">{body}</dl>'


def verify(at: Place) -> None:
    """The file in the runtime, on a click."""
    request = GetVerified(at.ref, at.recipe, "onnxruntime", "float")
    hint = "Writes an ONNX file, runs it on all samples and compares every code"
    if start.asked(at, "run", f"Run it in {runtime_name('onnxruntime')}", request, hint=hint):
        ask.show(at.key("verified"), request, lambda found, fresh: verified(at, found))


def verified(at: Place, found: Verified) -> None:
    """What came of it."""
    st.html(f'<p class="q-lead">{html.escape(verified_finding(found))}.</p>')
    chart.show(chart.of(drift, found, dark=is_dark()), at.key("drift"))
    metric, value = found.metric, numbers.metric_value
    kernels = ", ".join(f"{many} {name}" for name, many in sorted(found.kernels.items(), key=lambda one: -one[1]))
    st.html(words.quiet(
        f"{numbers.metric_title(metric.name).capitalize()}: {value(metric.name, metric.float_)} float, "
        f"{value(metric.name, metric.simulated)} simulated, {value(metric.name, metric.real)} in the runtime. "
        f"Kernels: {kernels}."
    ))  # fmt: skip


def bias(at: Place) -> Number:
    """The unit of a bias: that of the sum it is added to."""
    data, (weight, *_) = steps(at, ASKED)
    answer = data * weight
    return Number(answer, within=0.006 * answer, said={
        "layer": ASKED, "input": numbers.three(data), "weight": numbers.three(weight), "answer": numbers.three(answer),
        "reach": numbers.three(answer * SUM), "short": numbers.three(answer * LARGEST),
    })  # fmt: skip


screen.show(__file__, {"arithmetic": arithmetic, "verify": verify}, {"bias": bias})
