"""Sensitivity in words and pictures: what is predicted is never drawn as if it had been measured."""

import pytest
from msgspec.structs import replace

from qdebug.figures import colours
from qdebug.figures.sensitivity import agreement_finding, cost, depth_finding, finding, known, leading_format, sure
from qdebug.figures.sensitivity_charts import by_depth, in_words, predicted_measured
from qdebug.results import Order, SweepPlan, WholeRecipe
from tests.figures.values import sensitivity, sensitivity_row

FORMATS = {"w8a8": "int8", "w4a8": "int4"}


def two():
    """Four layers in two formats; two cells are measured, one of them outside the linear regime."""
    errors = {"w8a8": (0.1, 0.2, 0.1, 0.0), "w4a8": (1.0, 16.0, 2.0, 1.0)}
    exact = {("b", "w4a8"): (18.0, True), ("c", "w4a8"): (9.0, False)}
    rows = [
        sensitivity_row(layer, name, value, *exact.get((layer, name), (None, None)))
        for name, values in errors.items()
        for layer, value in zip("abcd", values, strict=True)
    ]
    return sensitivity(*rows)


def test_the_finding_is_of_the_most_harmful_format_and_says_what_is_predicted():
    assert leading_format(two()) == "w4a8"
    assert finding(two()) == "in w4a8, 2 of 4 layers make 93.1\u00a0% of the predicted error; most harmful is b"
    rows = [sensitivity_row("a", "w4a8", 2.0, 3.0, True), sensitivity_row("b", "w4a8", 2.0, 1.0, True)]
    assert "of the error; most harmful is a" in finding(sensitivity(*rows))


def test_weights_and_inputs_apart_are_predictions_also_of_what_was_measured():
    row = sensitivity_row("a", "w4a8", 4.0, 9.0, False)
    assert (known(row), known(row, "weight"), known(row, "activation")) == (9.0, 3.0, 1.0)
    figure = by_depth(sensitivity(row), {"w4a8": "int4"}, dark=False, part="weight")
    assert list(figure.data[0].y) == [3.0]
    assert list(figure.data[0].marker.symbol) == ["circle-open"]


def test_no_harm_at_all_is_a_finding():
    found = sensitivity(sensitivity_row("a", "w8a8", 0.0))
    assert finding(found) == "no layer's quantization changes the output"
    assert depth_finding(found) == "No layer's quantization changes the output"
    assert len(by_depth(found, FORMATS, dark=False).data) == 0


def test_depth_says_which_third_does_the_harm():
    rows = [sensitivity_row(f"l{at}", "w4a8", 10.0 if at in (6, 7) else 1.0) for at in range(9)]
    assert "77.8\u00a0% of the harm is done in the last third" in depth_finding(sensitivity(*rows))
    even = [sensitivity_row(f"l{at}", "w4a8", 1.0) for at in range(9)]
    assert "spread over the network's depth" in depth_finding(sensitivity(*even))


@pytest.mark.parametrize("dark", [False, True])
def test_measured_marks_are_filled_predicted_ones_hollow_and_colour_is_precision(dark):
    figure = by_depth(two(), FORMATS, dark=dark)
    assert [trace.name for trace in figure.data] == ["w8a8", "w4a8"]
    assert [trace.marker.color for trace in figure.data] == [colours.MARK[one].on(dark) for one in ("p8", "p4")]
    assert list(figure.data[1].marker.symbol) == ["square-open", "square", "square", "square-open"]
    assert list(figure.data[1].y) == [1.0, 18.0, 9.0, 1.0]
    assert list(figure.data[0].x) == [1, 2, 3]  # no error has no place on a log axis
    assert figure.layout.yaxis.type == "log"
    assert "squared change of the output per sample" in figure.layout.yaxis.title.text


def test_predicted_against_measured_marks_what_is_outside_the_linear_regime():
    figure = predicted_measured(two(), FORMATS, dark=False)
    marks, diagonal = figure.data
    assert (list(marks.x), list(marks.y)) == ([16.0, 2.0], [18.0, 9.0])
    assert list(marks.marker.symbol) == ["square", "diamond"]
    assert list(diagonal.x) == list(diagonal.y)
    assert figure.layout.title.text.startswith(
        "1 of 2 measured errors came out as predicted; outside the linear regime"
    )
    assert "c in w4a8" in figure.layout.title.text


def test_of_a_thousand_layers_the_worst_of_each_run_is_drawn():
    rows = [sensitivity_row(f"l{at}", "w4a8", 50.0 if at == 777 else 1.0 + at / 1e4) for at in range(1000)]
    figure = by_depth(sensitivity(*rows), FORMATS, dark=False)
    (marks,) = figure.data
    assert len(marks.x) == 200
    assert max(marks.y) == 50.0
    assert [row[0] for row, y in zip(marks.customdata, marks.y, strict=True) if y == 50.0] == ["l777"]
    assert figure.layout.xaxis.title.text.endswith("the worst of every 5")


def test_before_anything_is_measured_there_is_no_agreement():
    assert agreement_finding(sensitivity(sensitivity_row("a", "w8a8", 1.0))) == "Nothing has been measured yet"


def test_names_of_strangers_stay_text():
    figure = by_depth(sensitivity(sensitivity_row("<b>x</b>", "w4a8", 1.0)), FORMATS, dark=False)
    assert figure.data[0].customdata[0][0] == "<b>x</b>"  # what a click hands back; it is never drawn
    assert figure.data[0].customdata[0][1] == "&lt;b&gt;x&lt;/b&gt;"
    assert "customdata[0]" not in figure.data[0].hovertemplate


def test_what_rests_on_part_of_the_data_is_not_told_as_if_it_were_all():
    rows = [replace(sensitivity_row("a", "w4a8", 2.0, 3.0, True), n=n) for n in (10, 5)]
    assert "of the error;" in finding(sensitivity(rows[0]))
    assert "of the error seen so far;" in finding(sensitivity(rows[1]))
    assert in_words(rows[1], 10)[0] == "measured 3.00 on 5 of 10 samples"
    assert in_words(rows[0], 10)[0] == "measured 3.00"


def test_all_but_one_says_which_layer_it_pays_to_leave_float():
    rows = [
        replace(sensitivity_row(name, "w4a8", 1.0), gain=gain) for name, gain in (("a", 1.0), ("b", 3.0), ("c", -1.0))
    ]
    whole = WholeRecipe(format="w4a8", exact=6.0, exact_ci95=(6.0, 6.0), metric=0.5, n=10)
    found = replace(sensitivity(*rows), whole=(whole,))
    said = "with all layers in w4a8, it pays most to leave b float and takes 50.0\u00a0% of the error away"
    assert finding(found, "without") == said
    (marks,) = by_depth(found, FORMATS, dark=False, part="without").data
    assert (list(marks.y), list(marks.marker.symbol)) == ([1.0, 3.0], ["circle", "circle"])
    assert "In w4a8, 75.0\u00a0% of the gain is in the middle third" in depth_finding(found, "without")
    assert finding(sensitivity(rows[2]), "without") == "leaving one layer float gains nothing in any of the formats"
    plain = sensitivity(sensitivity_row("a", "w4a8", 1.0))
    assert "not been measured yet" in finding(plain, "without")
    assert "not measured yet" in depth_finding(plain, "without")


def test_cost_and_certainty_in_words():
    plan = SweepPlan(items=14, parts=(10,), passes=7.6, kept=0.0, cores=1, seconds=0.5)
    assert cost(plan) == "7.60 float passes, about 0.50\u00a0s on one core"
    assert cost(replace(plan, kept=3.0, cores=2)).endswith("on 2 cores; 3.00 passes more are in the journal")
    assert sure(Order(settled=True, confidence=1.0)) == "exact on these data"
    tied = Order(settled=True, confidence=0.95, ties=(("w4a8", "a", "b"),))
    assert sure(tied) == "settled, 95.0\u00a0% sure; ties: a and b in w4a8"


def test_a_cell_in_words():
    assert in_words(sensitivity_row("a", "w4a8", None, refused="it has no tokens")) == (
        "not possible: it has no tokens",
    )
    lines = in_words(sensitivity_row("a", "w4a8", 4.0, 9.0, False))
    assert lines[0] == "measured 9.00"
    assert lines[1] == "predicted 4.00 (95 %: 3.60 to 4.40)"
    assert "outside the linear regime" in lines[-1]
    assert "measure it" in in_words(sensitivity_row("a", "w4a8", None))[0]


def test_a_heavy_sample_that_was_not_measured_yet_is_told_of():
    row = sensitivity_row("a", "w4a8", 4.0, 9.0)
    for unseen, told in ((0.4, True), (0.05, False), (None, False)):
        words = "one sample not measured yet has 40\u00a0% of the predicted error"
        assert (words in in_words(replace(row, unseen=unseen))) == told
