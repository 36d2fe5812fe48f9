"""The Sensitivity screen: its cells, what is put together for it, and the screen itself over the compute process."""

import csv
import io

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.errors import RecipeError
from qdebug.jobs import GetSensitivity
from qdebug.recipes import LayerPlan, Recipe, parse_format, preset
from qdebug.results import ModelRef
from qdebug.web import edits, matrix, measured
from qdebug.web import sensitivity as screen
from qdebug.web.sensitivity import chosen_plans
from tests.figures.values import sensitivity, sensitivity_row
from tests.web.conftest import html, settle, show
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


def test_measured_cells_take_the_place_of_predictions_and_stay():
    predicted = rows_of(1.0, 0.5, 0.25, 2.0)
    early = rows_of(9.0, 9.0, 9.0, 9.0, measured_first=4.0)
    found = measured.merged(predicted, [early])
    assert found.rows[0].exact == 4.0
    assert found.rows[1:] == predicted.rows[1:]  # what a sweep predicts once more changes nothing
    assert measured.merged(found, [predicted]).rows[0].exact == 4.0
    assert measured.merged(None, []) is None
    assert measured.merged(None, [early]) == early


def test_a_sweep_asks_only_for_formats_with_something_left_to_measure():
    request = GetSensitivity(ref=ModelRef(model="net"), recipe=Recipe(), formats=tuple(PLANS.items()))
    rows = [sensitivity_row("a", "w8a8", 1.0, 2.0, True), sensitivity_row("b", "w8a8", None, refused="no"),
            sensitivity_row("a", "w4a8", 1.0, 2.0, True), sensitivity_row("b", "w4a8", 1.0)]  # fmt: skip
    found = sensitivity(*rows)
    assert [(row.layer, row.format) for row in measured.unmeasured(found)] == [("b", "w4a8")]
    sweep = measured.sweep_for(request, found)
    assert (sweep.mode, [name for name, _ in sweep.formats]) == ("exact", ["w4a8"])
    assert screen.cost(found) == "1 cell ≈ 1 float pass ≈ 0.50\u00a0s"


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


def test_the_screen_predicts_at_once_and_measures_on_a_click(app: AppTest):
    text = html(show(app, "sensitivity"))
    assert "of the predicted error; most harmful is " in text
    assert "14 of" not in text
    assert len(app.get("plotly_chart")) == 1
    assert "42 cells ≈ 42 float passes" in text
    app.multiselect(key="sensitivity-formats").set_value(["w8a8"])
    assert "14 cells ≈ 14 float passes" in html(settle(app))
    app.button(key="sensitivity-measure-start").click()
    text = html(settle(app))
    assert "of the error; most harmful is " in text
    assert "Everything is measured." in text
    assert len(app.get("plotly_chart")) == 2
    app.multiselect(key="sensitivity-formats").set_value(["w8a8", "w6a8"])
    text = html(settle(app))
    assert "14 cells" in text  # the others were measured already
    assert app.button(key="sensitivity-measure-start").label == "Measure the others"


def test_a_divergence_is_predicted_only(app: AppTest):
    show(app, "sensitivity")
    app.multiselect(key="sensitivity-formats").set_value(["w8a8"])
    next(one for one in app.get("button_group") if one.key == "sensitivity-measure").set_value("kl")
    text = html(settle(app))
    assert "A divergence is predicted, not measured." in text
    assert app.button(key="sensitivity-measure-start").disabled


def test_a_format_that_is_none_is_an_error_in_words(app: AppTest):
    show(app, "sensitivity")
    app.session_state.kept["sensitivity-formats"] = ["w8a8", "w9q"]
    text = html(settle(app))
    assert 'role="alert"' in text
    assert "w9q" in text
