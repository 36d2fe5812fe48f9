"""What a diagnosis says of a metric, in people's words and with its unit."""

import pytest

from qdebug.results import Cause, Metric, Remedy
from qdebug.search.diagnose.words import summary, with_fix


def metric(name, float_, quantized):
    delta = quantized - float_
    return Metric(
        name=name, float_=float_, quantized=quantized, delta=delta, ci95=(delta, delta),
        quantized_ci95=(quantized, quantized), flips=0, n=16, predictions=16, agreement=1.0, higher_is_better=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (metric("accuracy", 0.996, 0.191), "Accuracy is 19.1 %, 99.6 % in float, and no cause was found"),
        (metric("sqnr_db", 150.0, 2.71), "Output SQNR is 2.71 dB, and no cause was found"),
        (metric("perplexity", 3.38, 16.4), "Perplexity is 16.4, 3.38 in float, and no cause was found"),
        (metric("pixel_accuracy", 0.9, 0.8), "Pixel accuracy is 80.0 %, 90.0 % in float, and no cause was found"),
    ],
)
def test_the_metric_in_words(given, said):
    assert summary((), False, given) == said


def test_what_is_quantized_inside_attention_is_said_not_to_be_looked_at():
    said = summary((), False, metric("perplexity", 3.38, 16.4), ("keys int2 tok", "values int4 tok"))
    assert said.endswith("no cause was found; attention's keys int2 tok, values int4 tok were not looked at")


def test_a_metric_that_did_not_move_is_named_once():
    assert (
        summary((), True, metric("accuracy", 0.996, 0.996)) == "Accuracy is 99.6 %, as in float: this recipe is sound"
    )


@pytest.mark.parametrize(
    ("method", "before", "after", "said"),
    [
        ("cle", 0.191, 0.996, "cross-layer equalization brings accuracy from 19.1 % to 99.6 %"),
        ("more-bits", 0.5, 0.5, "more bits takes away 90 % of the output's error (accuracy stays 50.0 %)"),
        ("range:mse", 0.998, 0.996,
         "ranges by least squared error takes away 90 % of the output's error (accuracy goes from 99.8 % to 99.6 %)"),
    ],
)  # fmt: skip
def test_a_fix_is_told_by_its_name_for_people_and_a_fall_is_no_gain(method, before, after, said):
    cause = Cause(
        layer="fc", layers=("fc",), tensor="weight", kind="too-few-bits", share=1.0, evidence={},
        fix=Remedy(method=method, params={}), metric_before=before, metric_after=after, recovered=0.9, tried=(),
        text="",
    )  # fmt: skip
    assert with_fix("It is so", cause, metric("accuracy", 0.996, before)) == f"It is so; {said}"
