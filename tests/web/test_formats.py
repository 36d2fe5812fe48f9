"""The Formats screen, over the real compute process: which values, two formats on them, and all against each other."""

import html as markup

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.formats import FORMATS, card
from qdebug.recipes import parse_activation_format, parse_weight_format, preset
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.results import DISTRIBUTIONS, Values
from qdebug.web.formats.screen import FIRST, fixes_only, format_of, legend, picker_key
from qdebug.web.formats.speccard import card_html
from tests.figures.values import comparison, row
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe


@pytest.fixture
def screen(app):
    """The Formats screen at rest."""
    return show(app, "formats")


def choose(app, option):
    app.selectbox(key="formats-values").set_value(option)
    return settle(app)


def pick(app, place, notation, tensor="weight"):
    app.selectbox(key=f"formats-{tensor}-{place}").set_value(notation)
    return settle(app)


def test_two_formats_and_all_of_them_on_a_layer_s_weights(screen):
    text = html(screen)
    assert "q-problem" not in text
    assert "Near 4 bits " in text
    assert "int4-pc: SQNR " in text
    assert "nvfp4: SQNR " in text
    assert "Blocks of 32" in text
    assert "Blocks of 16" in text
    assert "rate–distortion limit" in text
    assert "Measured here, " in text
    chosen = screen.selectbox(key="formats-values").value
    assert chosen in screen.selectbox(key="formats-values").options
    # Two histograms, two spec cards' points, all formats twice, crest factors twice.
    assert len(screen.get("plotly_chart")) == 8


def test_every_candidate_is_offered_for_either_tensor(screen):
    offered = screen.selectbox(key="formats-weight-0").options
    assert [one.split("  (")[0] for one in offered] == [one for group in WEIGHTS.values() for one in group]
    screen.segmented_control(key="formats-tensor").set_value("activation")
    settle(screen)
    offered = screen.selectbox(key="formats-activation-1").options
    every = [one for group in ACTIVATIONS.values() for one in group]
    assert [one.split("  (")[0] for one in offered] == [one for one in every if "-tok" not in one]  # of a convolution
    choose(screen, "fc")
    offered = screen.selectbox(key="formats-activation-1").options
    assert [one.split("  (")[0] for one in offered] == every
    assert screen.selectbox(key="formats-activation-0").value == FIRST["activation"][0]
    assert "fp8_e4m3fn: SQNR " in html(screen)


def test_another_layer_and_another_format(screen):
    choose(screen, "fc")
    pick(screen, 1, "q4_0")
    text = html(screen)
    assert "q4_0: SQNR " in text
    assert "nvfp4: SQNR " not in text
    assert "q4_0" in text
    assert screen.selectbox(key="formats-weight-0").value == "int4-pc"


def test_a_distribution_has_no_recipe_to_go_into(screen):
    choose(screen, "distribution laplace")
    assert "131,072 values; ◇ after a randomized Hadamard rotation of 512 values" in html(screen)
    assert not [one for one in screen.button if "se here" in one.label]
    options = screen.selectbox(key="formats-values").options
    assert options[-len(DISTRIBUTIONS) :] == list(DISTRIBUTIONS.values())


def test_a_format_is_taken_into_the_recipe_and_undo_takes_it_back(screen):
    choose(screen, "head")
    pick(screen, 0, "nf4-dq")
    screen.button(key="use-0").click()
    settle(screen)
    assert recipe(screen).plan_for("head").weight == parse_weight_format("nf4-dq")
    assert recipe(screen).plan_for("head").activation == preset("w8a8").default.activation
    assert screen.button(key="use-0").label == "In use here"
    assert screen.button(key="use-0").disabled
    assert not screen.button(key="use-1").disabled
    button(screen, "Undo").click()
    settle(screen)
    assert recipe(screen) == preset("w8a8")
    assert screen.button(key="use-0").label == "Use it here"


def test_an_activation_format_is_taken_where_the_layer_can_have_it(screen):
    choose(screen, "fc")
    screen.segmented_control(key="formats-tensor").set_value("activation")
    settle(screen)
    pick(screen, 1, "int8-tok", "activation")
    screen.button(key="use-1").click()
    settle(screen)
    assert recipe(screen).plan_for("fc").activation == parse_activation_format("int8-tok")
    choose(screen, "stem.conv")
    assert screen.selectbox(key="formats-activation-1").value == FIRST["activation"][1], "a convolution has no tokens"
    assert screen.button(key="use-0").label == "In use here"


def test_the_spec_card_stands_beside_each_format(screen):
    pick(screen, 1, "mxfp4")
    text = html(screen)
    assert f'<h2 class="q-card">{card(FORMATS["int4"]).title}</h2>' in text
    assert card_html(card(FORMATS["mxfp4"])) in text
    assert "OCP Microscaling Formats" in text


def test_another_model_has_other_layers(screen):
    choose(screen, "blocks.0.dw")
    screen.session_state.ref = type(screen.session_state.ref)(model="digits-resnet")
    settle(screen)
    select = screen.selectbox(key="formats-values")
    assert select.value in select.options
    assert "blocks.0.dw" not in select.options
    assert "q-problem" not in html(screen)


def test_an_embedding_has_weights_only_and_is_not_what_one_sees_first():
    def script():
        import streamlit as st

        from qdebug.web.core import state
        from qdebug.web.formats import screen
        from tests.web.values import model

        state.start()
        state.choose("tok")
        st.session_state.found = screen.values(model())

    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.session_state.found == Values(layer="a.dw")
    app.selectbox(key="formats-values").set_value("tok").run()
    assert app.session_state.found == Values(layer="tok")
    assert not app.get("segmented_control") and not app.get("button_group")


def test_a_click_on_a_bar_changes_the_second_format():
    def script():
        import streamlit as st

        from qdebug.results import Values
        from qdebug.web.formats import screen

        screen._clicked(Values(layer="a"), {"selection": {"points": [{"y": "nf4"}]}})
        screen._clicked(Values(layer="a", tensor="activation"), {"selection": {"points": []}})
        st.write("done")

    here = AppTest.from_function(script).run().session_state
    assert here["formats-weight-1"] == "nf4"
    assert "formats-activation-1" not in here


def test_formats_of_two_tensors_are_picked_apart():
    keys = {picker_key(Values(tensor=tensor), place) for tensor in ("weight", "activation") for place in (0, 1)}
    assert len(keys) == 4


@pytest.mark.parametrize(("notation", "name"), [
    ("int4g32-affine", "int4"), ("int8-tok", "int8"), ("nf4-dq", "nf4"), ("q4_k", "q4_k"), ("vq2_16", "vq2_16"),
    ("fp8_e4m3fn-pc", "fp8_e4m3fn"), ("log2_4-pc", "log2_4"), ("ternary_3_4-pc", "ternary_3_4"),
])  # fmt: skip
def test_the_format_of_a_notation(notation, name):
    assert format_of(notation) == name


def test_only_the_fixes_of_a_recipe_are_part_of_the_question():
    assert fixes_only(preset("w8a8")) == fixes_only(preset("w4a16"))


def test_the_legend_says_how_much_was_looked_at():
    assert legend(comparison()).startswith("100 values; ◇ after")
    weights = comparison(row("int4"), total=4000)
    assert legend(weights).startswith("100 values of 4,000, rows left out evenly;")
    inputs = comparison(total=4000, values=Values(layer="a", tensor="activation"))
    assert legend(inputs).startswith("100 values of 4,000, those of the first samples;")
    assert "rows of this length cannot be rotated" in legend(comparison(rotation=1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_card_says_where_the_format_comes_from(name):
    found = card(FORMATS[name])
    text = card_html(found)
    assert f"<dt>source</dt><dd>{markup.escape(found.source)}</dd>" in text
    assert text.count("<dt>") == text.count("<dd>") == text.count("</dd>") >= 8
