"""Verification and latency, drawn: what the titles say, and that every mark and bar stands where its number is."""

import math

import pytest

from qdebug.figures import colours, drift, latency_bars
from qdebug.figures.agreement import READINGS, differing, drift_finding, is_trouble, place_name, verified_finding
from qdebug.figures.latency import layers_finding
from tests.figures.values import latency, layer_time, tensor, verified


def words(text):
    return text.replace("\u00a0", " ")


def said(found):
    return words(verified_finding(found))


def test_a_runtime_that_computes_what_was_seen():
    exact = verified(tensor("a", elements=400_000), tensor("b", elements=800_000))
    assert said(exact) == (
        "ONNX Runtime computes what you saw: all 1.20 million codes equal, same predictions on 540 of 540 samples"
    )
    near = verified(tensor("a", elements=400_000), tensor("b", 24, elements=800_000))
    assert said(near) == (
        "ONNX Runtime computes what you saw: 99.998 % of 1.20 million codes equal, at most 1 apart, "
        "same predictions on 540 of 540 samples"
    )
    assert "computes the integer simulation" in said(verified(tensor("a"), simulation="integer"))


def test_a_runtime_that_does_not():
    drifts = verified(tensor("a"), tensor("b", 62, largest=3))
    assert said(drifts).startswith("ONNX Runtime comes close to what you saw: 96.9 % of 2,000 codes equal, at most 3")
    assert not is_trouble(drifts)
    other = verified(tensor("a"), tensor("b/quantized/QuantizeLinear", 62, largest=3), agreement=0.95)
    assert is_trouble(other)
    assert said(other) == (
        "ONNX Runtime differs from what you saw: same predictions on 513 of 540 samples; 3.1 % of 2,000 codes, "
        "from b on, at most 3 apart"
    )


def test_a_runtime_that_shows_no_codes():
    assert said(verified(runtime="openvino", agreement=539 / 540)) == (
        "OpenVINO agrees with what you saw: same predictions on 539 of 540 samples"
    )
    assert said(verified(runtime="openvino", agreement=0.5)).startswith("OpenVINO differs from what you saw")


def test_predictions_of_tokens_are_a_share():
    metric = type(verified().metric)(name="perplexity", float_=4.0, simulated=4.1, real=4.1)
    assert said(verified(tensor("a"), metric=metric)).endswith("100 % of tokens predicted the same")
    assert said(verified(tensor("a"), metric=metric, agreement=0.9991)).endswith("99.91 % of tokens predicted the same")
    assert said(verified(tensor("a"), agreement=0.9991)).endswith("99.91 % of predictions the same")


def test_what_the_differences_do_along_the_depth():
    assert drift_finding((tensor("a"), tensor("b"))) == "Not one code differs, anywhere along the depth"
    assert words(drift_finding((tensor("a"), tensor("b", 5)))) == (
        "Each layer alone is exact; through the depth up to 0.50 % of a value's codes differ"
    )
    assert words(drift_finding((tensor("a", 1, 1), tensor("b", 40, 2)))) == (
        "Small differences add up: 0.20 % of a layer's own codes at most, 4.0 % through the depth"
    )
    assert words(drift_finding((tensor("a", 1, 1), tensor("b", 40, 30)))) == (
        "b itself comes out otherwise: 3.0 % of its codes, from the runtime's own inputs"
    )


def test_a_value_that_only_rounds_goes_by_its_own_name():
    assert place_name("images/quantized/QuantizeLinear") == "images"
    assert place_name("blocks.0/Conv") == "blocks.0/Conv"


@pytest.mark.parametrize("dark", [False, True])
def test_drift_shows_three_readings_and_none_on_a_line_of_its_own(dark):
    layers = (tensor("<b>a", 0, 0, 0), tensor("b", 20, 1, 0), tensor("c", 100, 0, 1, largest=7))
    figure = drift(verified(*layers), dark=dark)
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == set(READINGS.values())
    ticks = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    none = ticks.pop("none")
    through = by_name[READINGS["float_"]]
    assert list(through.x) == [1, 2, 3]
    assert list(through.y) == pytest.approx([none, 2.0, 10.0])
    assert list(by_name[READINGS["fed"]].y) == pytest.approx([none, 0.1, none])
    assert list(by_name[READINGS["integer"]].y) == pytest.approx([none, none, 0.1])
    assert none < min(ticks.values()) <= 0.1
    assert max(ticks.values()) >= 10
    low, high = figure.layout.yaxis.range
    assert low < math.log10(none) < 1 < high
    assert through.line.color == colours.ACCENT.on(dark)
    assert through.customdata[2] == ["c", "QLinearConv", "100", "1,000", ", by 7 at most"]
    assert through.customdata[0][0] == "&lt;b&gt;a"
    assert "%, log" in figure.layout.yaxis.title.text
    assert figure.layout.font.color == colours.INK.on(dark)


def test_drift_of_many_values_and_of_none_that_differs():
    many = drift(verified(*(tensor(str(one), one) for one in range(200))), dark=False)
    assert {trace.mode for trace in many.data} == {"lines", "markers"}
    tiny = drift(verified(tensor("a", 1, elements=4_000_000)), dark=False)
    assert "0.00001" in tiny.layout.yaxis.ticktext
    flat = drift(verified(tensor("a"), tensor("b", elements=0)), dark=False)
    assert len({value for trace in flat.data for value in trace.y}) == 1
    assert differing(tensor("b", elements=0), "float_") == 0


def test_which_nodes_gain():
    gains = layer_time("a", 4e-4, 1e-4)
    assert words(layers_finding(latency(gains))) == (
        "Every node that both models have gains; a takes 100 % of the quantized time"
    )
    loses = layer_time("b", 1e-4, 3e-4)
    assert words(layers_finding(latency(gains, loses))) == (
        "1 of 2 nodes that both models have is slower; b takes 75 % of the quantized time"
    )
    assert layers_finding(latency(layer_time("c", None, 1e-4))) == "No node is the same in both models"


@pytest.mark.parametrize("dark", [False, True])
def test_bars_of_both_models_slowest_first(dark):
    found = latency(layer_time("a", 1e-4, 5e-5), layer_time("b", 9e-4, 3e-4), layer_time("c", None, 2e-4))
    figure = latency_bars(found, "int4 g32", dark=dark)
    plain, quantized = figure.data
    assert list(plain.y) == list(quantized.y) == ["b", "c", "a"]
    assert list(plain.x) == pytest.approx([900, 0, 100])
    assert list(quantized.x) == pytest.approx([300, 200, 50])
    assert figure.layout.xaxis.title.text == "time of one run, µs"
    assert plain.marker.color == colours.MARK["p32"].on(dark)
    assert quantized.marker.color == colours.MARK["p4"].on(dark)
    assert words(quantized.customdata[0][4]) == "3.0× as fast"
    assert quantized.customdata[1][4] == "in one of the two models only"
    slow = latency_bars(latency(layer_time("a", 1e-3, 4e-3)), "int8", dark=dark)
    assert slow.layout.xaxis.title.text == "time of one run, ms"
    assert slow.data[1].customdata[0][4] == "4.0× as long"


def test_many_nodes_are_summed_up_without_loss():
    rows = [layer_time(str(one), 1e-3, None if one % 2 else 5e-4) for one in range(30)]
    figure = latency_bars(latency(*rows), "int8", dark=False)
    assert figure.data[0].y[-1] == "14 others"
    assert sum(figure.data[0].x) == pytest.approx(30)
    assert sum(figure.data[1].x) == pytest.approx(7.5)
