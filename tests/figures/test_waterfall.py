"""The steps from the float metric to the quantized one: they add up, and say what was measured."""

import pytest

from qdebug.figures.waterfall import MOST_STEPS, cause_fall, layer_fall, waterfall, ways
from qdebug.results import Cause, Diagnosis, Share, Shares
from tests.figures.values import score


def parts(n=540, **layers):
    """Layers with their share and the metric with each alone quantized."""
    rows = tuple(Share(name=name, isolated=part, share=part, metric=alone) for name, (part, alone) in layers.items())
    return Shares(recipe="r", rows=rows, n=n, seconds=0.1)


def diagnosis(*causes, before=0.99, after=0.2, healthy=False, metric="accuracy"):
    rows = tuple(
        Cause(layer=layer, layers=(layer,), tensor="weight", kind="uneven-weights", share=part, evidence={}, fix=None,
              metric_before=None, metric_after=None, recovered=0.0, tried=(), text="why")
        for layer, part in causes
    )  # fmt: skip
    return Diagnosis(model="net", digest="0", recipe="r", metric=metric, metric_float=before, metric_quantized=after,
                     healthy=healthy, causes=rows, together=None, n=540, seconds=1.0, text="")  # fmt: skip


BROKEN = score(0.2).metric
TWO = parts(a=(0.6, 0.5), b=(0.4, 0.9))


@pytest.mark.parametrize("by", ["alone", "share"])
def test_steps_lead_from_the_float_metric_to_the_quantized_one(by):
    many = parts(**{f"l{at}": (0.05, 0.97) for at in range(20)})
    for found in (TWO, many):
        fall = layer_fall(BROKEN, found, {}, by)
        assert fall.start + sum(step.change for step in fall.steps) == pytest.approx(fall.end)
        assert len([step for step in fall.steps if step.kind == "one"]) <= MOST_STEPS


def test_what_was_measured_alone_does_not_add_up_and_the_rest_is_said():
    fall = layer_fall(BROKEN, TWO, {}, "alone")
    assert [(step.name, round(step.change, 3)) for step in fall.steps] == [
        ("a", -0.49),
        ("b", -0.09),
        ("together", -0.21),
    ]
    assert fall.steps[0].layer == "a" and fall.steps[-1].layer == ""
    assert fall.finding == (
        "a alone changes accuracy by −49.0 points; all together lose 21.0 points more than one by one"
    )
    over = layer_fall(BROKEN, parts(a=(0.6, 0.2), b=(0.4, 0.5)), {}, "alone")
    assert "49.0 points less than one by one" in over.finding


def test_shares_of_the_error_are_scaled_to_the_change():
    fall = layer_fall(BROKEN, TWO, {}, "share")
    assert [round(step.change, 3) for step in fall.steps] == [-0.474, -0.316]
    assert fall.finding == "By its squared error, a accounts for 60\u00a0% of 79.0 points"


def test_small_layers_are_summed_up():
    many = parts(**{f"l{at}": (0.05, 0.97) for at in range(20)})
    steps = layer_fall(BROKEN, many, {}, "share").steps
    assert steps[-1].name == "12 others" and steps[-1].change == pytest.approx(12 * 0.05 * -0.79)


def test_layers_that_change_nothing_get_no_bar():
    steps = layer_fall(BROKEN, parts(a=(0.9, 0.5), b=(0.1, 0.99), c=(0.0, 0.99)), {}, "alone").steps
    assert [step.name for step in steps] == ["a", "2 others", "together"]


def test_what_can_be_taken_apart():
    assert ways(BROKEN, TWO) == ("alone", "share")
    assert ways(BROKEN, parts(n=64, a=(1.0, 0.5))) == ("share",)  # on fewer samples than the metric
    assert ways(BROKEN, parts(a=(1.0, None))) == ("share",)
    assert ways(score(0.995).metric, TWO) == ()
    assert ways(score(12.0, name="sqnr_db", float_=150.0).metric, TWO) == ()
    worse = score(40.0, float_=30.0, name="perplexity", higher=False).metric
    assert ways(worse, TWO) == ("alone", "share")


def test_a_rising_perplexity_is_a_loss_too():
    worse = score(40.0, float_=30.0, name="perplexity", higher=False).metric
    fall = layer_fall(worse, parts(a=(0.6, 36.0), b=(0.4, 31.0)), {}, "alone")
    assert "all together lose 3.00 more than one by one" in fall.finding


def test_causes_share_the_change_and_the_rest_is_not_explained():
    fall = cause_fall(diagnosis(("a.dw", 0.5), ("b", 0.3)))
    assert fall is not None
    assert [step.layer for step in fall.steps] == ["a.dw", "b", ""]
    assert fall.start + sum(step.change for step in fall.steps) == pytest.approx(0.2)
    assert fall.finding == "2 causes account for 80\u00a0% of the change"
    whole = cause_fall(diagnosis(("a", 1.0)))
    assert whole is not None and len(whole.steps) == 1 and whole.finding.startswith("1 cause accounts")
    assert cause_fall(diagnosis(("a", 0.5), healthy=True)) is None
    assert cause_fall(diagnosis()) is None
    assert cause_fall(diagnosis(("a", 0.5), after=None)) is None
    assert cause_fall(diagnosis(("a", 0.5), metric="sqnr_db")) is None


@pytest.mark.parametrize("dark", [False, True])
def test_the_bars_begin_where_the_last_one_ended(dark):
    figure = waterfall(layer_fall(BROKEN, TWO, {"a": "int8", "b": "int4"}, "alone"), dark=dark)
    (bars,) = figure.data
    ends = [base + length for base, length in zip(bars.base, bars.x, strict=True)]
    assert list(bars.base)[1:-1] == pytest.approx(ends[:-2])
    assert ends[-2] == pytest.approx(20.0) and ends[-1] == pytest.approx(20.0)
    assert figure.layout.xaxis.title.text == "accuracy, %"
    assert [row[2] for row in bars.customdata] == ["", "a", "b", "", ""]


def test_names_of_strangers_are_escaped():
    figure = waterfall(layer_fall(BROKEN, parts(**{"<b>x": (1.0, 0.5)}), {}, "share"), dark=False)
    assert "<b>x" not in figure.layout.title.text + "".join(figure.layout.yaxis.ticktext)
    assert figure.data[0].customdata[1][0] == "&lt;b&gt;x"


def test_layers_names_are_cut_and_words_are_not():
    layer = "model.layers.11.self_attn.q_proj"
    by_layer = waterfall(layer_fall(BROKEN, parts(**{layer: (1.0, 0.5)}), {}, "share"), dark=False)
    assert "…" in by_layer.layout.yaxis.ticktext[1]
    by_cause = cause_fall(diagnosis((layer, 0.5)))
    assert by_cause is not None
    assert waterfall(by_cause, dark=False).layout.yaxis.ticktext[1] == "Weight ranges uneven<br>between channels"
