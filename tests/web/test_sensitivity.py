"""The Sensitivity screen: its cells, what is put together for it, and the screen itself over the compute process."""

import csv
import io
import re

import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from qdebug.errors import RecipeError
from qdebug.jobs import GetSensitivity
from qdebug.recipes import LayerPlan, Recipe, parse_format, preset
from qdebug.results import ModelRef
from qdebug.web.editing import edits
from qdebug.web.sensitivity import matrix, measured, measuring
from qdebug.web.sensitivity.screen import chosen_plans
from tests.figures.values import sensitivity, sensitivity_row
from tests.web.conftest import APP, PATIENCE, html, settle, show
from tests.web.values import FOUR, layer, model

PLANS = {name: parse_format(name) for name in ("w8a8", "w4a8")}


def rows_of(*predicted, measured_first=None):
    names = [layer.name for layer in FOUR]
    rows = [
        sensitivity_row(layer, name, value) for name in PLANS for layer, value in zip(names, predicted, strict=True)
    ]
    if measured_first is not None:
        rows[0] = sensitivity_row(names[0], "w8a8", predicted[0], measured_first, False)
    return sensitivity(*rows)


def data(found, **options):
    return matrix.matrix_data(model(), preset("w8a8"), found, PLANS, None, **options)


def test_cells_say_what_is_predicted_and_what_is_measured():
    drawn = data(rows_of(1.0, 0.5, 0.0, 2.0, measured_first=4.0))
    first, second = drawn["rows"][0]["cells"]
    assert (first["text"], first["measured"], first["odd"]) == ("4.00", True, True)
    assert (second["text"], second["measured"], second["odd"]) == ("1.00", False, False)
    assert "predicted 1.00" in first["hint"]
    apart = data(rows_of(1.0, 0.5, 0.0, 2.0, measured_first=4.0), part="weight")["rows"][0]["cells"][0]
    assert (apart["text"], apart["measured"]) == ("0.750", False)


def test_bars_are_on_a_log_scale_from_the_largest_error_down():
    assert matrix.length(100.0, 100.0) == 1.0
    assert matrix.length(0.1, 100.0) == pytest.approx(0.5)
    assert matrix.length(1e-9, 100.0) == 0.0
    assert matrix.length(0.0, 100.0) == 0.0
    assert matrix.length(None, 100.0) is None
    assert matrix.length(0.0, 0.0) is None


def test_a_refused_cell_says_why_and_cannot_be_picked():
    rows = [sensitivity_row(layer.name, name, None, refused="it has no tokens") for name in PLANS for layer in FOUR]
    row = data(sensitivity(*rows))["rows"][1]
    assert row["refused"] == ["w8a8", "w4a8"]
    assert row["cells"][0]["hint"] == "not possible: it has no tokens"
    assert row["cells"][0]["text"] == ""


def test_before_anything_is_known_there_is_a_row_for_every_layer():
    drawn = data(None)
    assert [row["name"] for row in drawn["rows"]] == [layer.name for layer in FOUR]
    assert all(cell is None for row in drawn["rows"] for cell in row["cells"])
    assert [row["same"] for row in drawn["rows"]] == ["w8a8", "w8a8", "w8a8", "fp32"]


def test_long_names_are_told_apart():
    layers = [layer(f"encoder.block.{at}.attention.self.output.dense") for at in (7, 8)]
    rows = matrix.matrix_data(model(*layers), preset("w8a8"), None, PLANS, None)["rows"]
    assert rows[0]["short"] != rows[1]["short"]
    assert rows[0]["name"] == "encoder.block.7.attention.self.output.dense"


def test_it_is_sorted_by_the_most_harmful_format():
    weak, strong = (sensitivity_row("a.dw", name, value) for name, value in (("w8a8", 0.1), ("w4a8", 3.0)))
    assert data(sensitivity(weak, strong))["sort"] == 1
    assert data(None)["sort"] is None


def grown(row, n, value, interval):
    return replace(row, exact=value, n=n, exact_ci95=interval, linear=True)


def test_measured_cells_take_the_place_of_predictions_and_stay():
    predicted = rows_of(1.0, 0.5, 0.25, 2.0)
    early = rows_of(9.0, 9.0, 9.0, 9.0, measured_first=4.0)
    found = measured.merged(predicted, [early])
    assert found.rows[0].exact == 4.0
    assert found.rows[1:] == predicted.rows[1:]  # what a sweep predicts once more changes nothing
    assert measured.merged(found, [predicted]).rows[0].exact == 4.0
    assert measured.merged(None, []) is None
    assert measured.merged(None, [early]) == early


def test_what_rests_on_most_samples_counts_whichever_came_last():
    plain = sensitivity_row("a", "w8a8", 1.0)
    early, late = grown(plain, 4, 2.0, (1.0, 3.0)), grown(plain, 10, 2.5, (2.5, 2.5))
    for order in ([early, late], [late, early]):
        found = measured.merged(sensitivity(plain), [sensitivity(one) for one in order])
        assert found.rows[0] == late
    left_out = replace(plain, without=3.0, gain=1.0, gain_ci95=(1.0, 1.0))
    both = measured.merged(sensitivity(plain), [sensitivity(left_out), sensitivity(late)]).rows[0]
    assert (both.exact, both.gain) == (2.5, 1.0)
    vague = replace(plain, without=3.0, gain=0.5, gain_ci95=(0.1, 0.9))
    assert measured.merged(sensitivity(left_out), [sensitivity(vague)]).rows[0].gain == 1.0


def test_a_cell_on_part_of_the_data_says_how_sure_it_is_and_what_was_predicted():
    rows = list(rows_of(1.0, 0.5, 0.25, 2.0).rows)
    rows[0] = grown(rows[0], 5, 2.0, (1.5, 2.5))
    cell = data(sensitivity(*rows))["rows"][0]["cells"][0]
    assert (cell["partial"], cell["measured"], cell["below"]) == (True, True, "±25 % · ≈ 1.00")
    assert "measured 2.00 (95 %: 1.50 to 2.50) on 5 of 10 samples" in cell["hint"]
    rows[0] = grown(rows[0], 10, 2.0, (2.0, 2.0))
    cell = data(sensitivity(*rows))["rows"][0]["cells"][0]
    assert (cell["partial"], cell["below"]) == (False, "≈ 1.00")
    assert data(sensitivity(*rows))["rows"][1]["cells"][0]["below"] == ""


def test_all_but_one_shows_what_was_gained_and_nothing_that_was_not_measured():
    rows = list(rows_of(1.0, 0.5, 0.25, 2.0, measured_first=4.0).rows)
    rows[1] = replace(rows[1], without=3.0, gain=-0.5, gain_ci95=(-0.6, -0.4))
    drawn = data(sensitivity(*rows), part="without")["rows"]
    assert (drawn[0]["cells"][0]["text"], drawn[0]["cells"][0]["measured"]) == ("", False)
    assert (drawn[1]["cells"][0]["text"], drawn[1]["cells"][0]["part"]) == ("−0.500", None)
    assert "it gains −0.500 (95 %: −0.600 to −0.400)" in drawn[1]["cells"][0]["hint"]


def test_what_is_measured_is_what_was_chosen():
    request = GetSensitivity(ref=ModelRef(model="net"), recipe=Recipe(), formats=tuple(PLANS.items()))
    whole = measuring.asked_sweep(request, "all", "both")
    assert (whole.mode, whole.until, whole.worst, whole.leave_one_out) == ("exact", "all", 0, False)
    assert measuring.asked_sweep(request, "3", "both").worst == 3
    raced = measuring.asked_sweep(request, "order", "without")
    assert (raced.until, raced.worst, raced.leave_one_out) == ("order", 0, True)
    assert list(measuring.extents(12)) == ["all", "3", "10", "order"]
    assert list(measuring.extents(2)) == ["all", "order"]


def test_what_rests_on_part_of_the_data_is_not_measured_yet():
    rows = [sensitivity_row("a", "w8a8", 1.0, 2.0, True), sensitivity_row("b", "w8a8", None, refused="no"),
            grown(sensitivity_row("c", "w8a8", 1.0), 5, 2.0, (1.0, 3.0)),
            sensitivity_row("d", "w8a8", 1.0)]  # fmt: skip
    assert [row.layer for row in measured.unmeasured(sensitivity(*rows))] == ["c", "d"]


def test_the_csv_holds_every_number_and_no_formula():
    found = sensitivity(
        sensitivity_row("=a,b", "w8a8", 1.0, 2.5, False), sensitivity_row("c", "w8a8", None, refused="no")
    )
    first, second = csv.DictReader(io.StringIO(measured.rows_as_csv(found)))
    assert (first["layer"], first["predicted"], first["exact"], first["linear"]) == ("'=a,b", "1.0", "2.5", "False")
    assert (second["predicted"], second["refused"]) == ("", "no")


def test_formats_take_the_ranges_of_the_recipe():
    plain = preset("w8a8")
    assert chosen_plans(["w8a8", "nf4"], plain, {}) == {"w8a8": plain.default, "nf4": parse_format("nf4")}
    narrow = edits.with_range(plain, model(), "mse")
    plans = chosen_plans(["w8a8", "w4a8"], narrow, {})
    assert plans["w8a8"] == narrow.default
    assert plans["w4a8"].weight.range == "mse"
    with pytest.raises(RecipeError):
        chosen_plans(["w9q"], plain, {})


def test_a_recipe_s_own_plan_needs_no_notation():
    own = edits.with_notation(preset("w8a8"), model(), FOUR[1], "weight", "int8-away").layers[0][1]
    assert chosen_plans(["as it was"], preset("w8a8"), {"as it was": own}) == {"as it was": own}


def test_a_layer_put_in_a_format_and_back_leaves_no_trace():
    info, recipe = model(), preset("w8a8")
    changed = edits.with_plan(recipe, info, FOUR[0], parse_format("w4a8"))
    assert changed.layers == (("a.dw", parse_format("w4a8")),)
    assert edits.with_plan(changed, info, FOUR[0], recipe.default) == recipe


def test_an_embedding_keeps_its_input():
    changed = edits.with_plan(preset("w8a8"), model(), FOUR[3], parse_format("w4a8"))
    assert changed.layers == (("tok", LayerPlan(parse_format("w4a8").weight)),)


def choose(app, choice):
    app.selectbox(key="sensitivity-extent").set_value(choice)
    return html(settle(app))


def test_the_screen_predicts_at_once_and_measures_on_a_click(empty_journal, app: AppTest):
    text = html(show(app, "sensitivity"))
    assert "of the predicted error; most harmful is " in text
    whole = passes(text)
    assert "42 recipes: " in text and 0 < whole < 42  # what lies before a layer is not computed again
    app.multiselect(key="sensitivity-formats").set_value(["w7a8"])  # a format that no other test measures
    text = html(settle(app))
    assert "14 recipes: " in text and passes(text) < whole
    assert len(app.get("plotly_chart")) == 1
    assert passes(choose(app, "3")) < passes(text)
    app.button(key="sensitivity-measure-start").click()
    text = html(settle(app))
    assert "of the predicted error" in text and "All of it is measured." in text
    assert len(app.get("plotly_chart")) == 2
    text = choose(app, "all")
    assert app.button(key="sensitivity-measure-start").label == "Measure the others"
    assert "passes more are in the journal" in text
    app.button(key="sensitivity-measure-start").click()
    text = html(settle(app))
    assert "of the error; most harmful is " in text
    assert "All of it is measured. The order of layers is exact on these data" in text
    app.multiselect(key="sensitivity-formats").set_value(["w7a8", "w6a8"])
    assert "passes more are in the journal" in html(settle(app))  # w7a8 was measured already
    fresh = AppTest.from_file(APP, default_timeout=PATIENCE)  # the page is loaded anew
    show(settle(fresh), "sensitivity")
    fresh.multiselect(key="sensitivity-formats").set_value(["w7a8"])
    assert "All of it is measured." in html(settle(fresh))
    assert len(fresh.get("plotly_chart")) == 2


def passes(text):
    return float(re.search(r"recipes?: ([\d.]+) float passes", text)[1])


def test_all_but_one_is_measured_where_it_is_asked_for(app: AppTest):
    show(app, "sensitivity")
    app.multiselect(key="sensitivity-formats").set_value(["w5a8"])
    alone = passes(html(settle(app)))
    next(one for one in app.get("button_group") if one.key == "sensitivity-part").set_value("without")
    text = html(settle(app))
    assert "What leaving one layer float gains has not been measured yet." in text
    assert passes(text) > alone
    choose(app, "3")
    app.button(key="sensitivity-measure-start").click()
    found = html(settle(app))
    assert "All of it is measured." in found
    assert re.search(r"With all layers in w5a8, it pays most to leave \S+ float and takes \S+ % of the error", found)


def test_a_divergence_is_measured_too(app: AppTest):
    show(app, "sensitivity")
    app.multiselect(key="sensitivity-formats").set_value(["w8a8"])
    next(one for one in app.get("button_group") if one.key == "sensitivity-measure").set_value("kl")
    choose(app, "3")
    app.button(key="sensitivity-measure-start").click()
    assert "All of it is measured." in html(settle(app))


def test_a_format_that_is_none_is_an_error_in_words(app: AppTest):
    show(app, "sensitivity")
    app.session_state.kept["sensitivity-formats"] = ["w8a8", "w9q"]
    text = html(settle(app))
    assert 'role="alert"' in text
    assert "w9q" in text
