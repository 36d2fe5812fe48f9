"""Every screen, over the real compute process: what is on it, and what a change does."""

import re

import numpy as np
import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Gpfq, dumps, loads, preset, with_fix
from qdebug.web.core.state import History
from tests.doors.test_quantized_files import quantized as quantized_file
from tests.doors.test_quantized_files import residual
from tests.web.conftest import APP, PATIENCE, html, settle, show


def quantized(app):
    """The quantized accuracy that the score strip shows, in percent."""
    found = re.search(r'quantized</span><span class="q-value">([\d.]+) %', html(app))
    assert found, html(app)
    return float(found[1])


def recipe(app):
    """The recipe at hand."""
    here = app.session_state
    history: History = here.histories.get(here.ref) or History((preset("w8a8"),))
    return history.now


def button(app, label):
    return next(one for one in app.button if one.label == label)


def toggle(app, label):
    return next(one for one in app.toggle if one.label == label)


def test_the_overview_says_what_is_wrong_before_anything_else(app):
    text = html(app)
    assert re.search(r'q-verdict q-bad">\d+ of 14 layers cause \d+ % of the damage', text)
    assert quantized(app) < 70
    assert "◆ −" in text
    assert {one.key for one in app.get("plotly_chart")} == {"shares", "subgroups", "tradeoff", "fall"}
    assert "digits-mobilenet</h3>" in text
    assert "would help here" in text


def test_every_screen_has_the_strip_the_sidebar_and_no_error(app):
    for screen in (
        "overview",
        "diagnosis",
        "layers",
        "sensitivity",
        "formats",
        "calibration",
        "fixes",
        "mixture",
        "compare",
        "export",
    ):
        text = html(show(app, screen))
        assert text.count('class="q-strip"') == 1
        assert "exact" in text
        assert "cache " in text
        assert "w8a8 per tensor" in text
        assert "q-problem" not in text


def test_two_switches_on_fixes_make_it_whole(app):
    broken = quantized(app)
    show(app, "fixes")
    toggle(app, "Apply cross-layer equalization").set_value(True)
    settle(app)
    toggle(app, "Apply bias correction").set_value(True)
    settle(app)
    assert recipe(app).fixes == (CrossLayerEqualization(), BiasCorrection())
    assert quantized(app) > broken + 25
    assert quantized(app) > 98
    assert ">CLE</span>" in html(app)
    toggle(app, "Apply cross-layer equalization").set_value(False)
    settle(app)
    assert recipe(app).fixes == (BiasCorrection(),)


def test_a_slow_fix_is_tried_before_it_is_kept(app):
    show(app, "fixes")
    button(app, "Try GPFQ").click()
    settle(app)
    assert recipe(app).fixes == ()
    button(app, "Keep").click()
    settle(app)
    assert recipe(app).fixes == (Gpfq(),)


def test_the_fixes_say_where_they_apply_and_where_not(app):
    text = html(show(app, "fixes"))
    assert re.search(r"Applies in \d+ places, not in \d+", text)
    assert "a Hadamard matrix wants" in text
    assert "Applies nowhere in this model" in text
    assert "1 fix without a place" in text or "fixes without a place in this model" in str(app.expander)
    assert "Apply SmoothQuant" not in [one.label for one in app.toggle]
    assert "without it" in text
    assert "with it" in text


def test_smoothquant_has_a_live_slider(app):
    app.session_state.ref = type(app.session_state.ref)(model="digits-vit")
    settle(app)
    before = quantized(app)
    show(app, "fixes")
    toggle(app, "Apply SmoothQuant").set_value(True)
    settle(app)
    assert quantized(app) > before
    slider = next(one for one in app.slider if one.label == "Alpha")
    assert slider.value == 0.5
    slider.set_value(0.7)
    settle(app)
    assert recipe(app).fixes[0].alpha == 0.7


def test_the_layers_screen_shows_the_worst_layer_and_its_charts(app):
    text = html(show(app, "layers"))
    name = re.search(r'<h2 class="q-layer">([\w.]+) <small>', text)[1]
    assert name == app.session_state.chosen[app.session_state.ref]
    assert "codes are used" in text or "are clipped" in text
    assert "of the error" in text
    assert "Output means" in text
    assert len(app.get("plotly_chart")) == 5
    assert "layers-table" in {one.key for one in app.get("bidi_component")}


def test_several_layers_at_once_by_pattern_and_undo(app):
    show(app, "layers")
    before = quantized(app)
    app.text_input(key="several-pattern").set_value("*.dw")
    app.selectbox(key="several-weight").set_value("fp32")
    app.selectbox(key="several-activation").set_value("fp16")
    app.run()
    button(app, "Apply to 4 layers").click()
    settle(app)
    assert {plan.weight.label for _, plan in recipe(app).layers} == {"fp32"}
    assert [name for name, _ in recipe(app).layers] == [f"blocks.{index}.dw" for index in range(4)]
    assert "4 × fp32" in html(app)
    assert quantized(app) != before
    button(app, "Undo").click()
    settle(app)
    assert recipe(app) == preset("w8a8")
    assert quantized(app) == before
    button(app, "Redo").click()
    settle(app)
    assert len(recipe(app).layers) == 4


def test_a_pattern_that_selects_nothing_says_what_is_near(app):
    show(app, "layers")
    app.text_input(key="several-pattern").set_value("hed")
    app.run()
    assert "No layer matches" in html(app)
    assert "Did you mean head" in html(app)


def test_options_of_a_tensor_change_its_plan(app):
    show(app, "layers")
    layer = app.session_state.chosen[app.session_state.ref]
    app.selectbox(key=f"option-range-{layer}-weight--minmax").set_value("percentile")
    settle(app)
    assert recipe(app).plan_for(layer).weight.range == "percentile"
    app.selectbox(key=f"option-scales-{layer}-weight--tensor").set_value("channel")
    settle(app)
    assert recipe(app).plan_for(layer).weight.granularity == "channel"


def test_a_clip_range_set_by_numbers_and_reset(app):
    show(app, "layers")
    layer = app.session_state.chosen[app.session_state.ref]
    next(one for one in app.number_input if one.label == "Clip from").set_value(-2.0)
    next(one for one in app.number_input if one.label == "Clip to").set_value(3.0)
    button(app, "Set clip range").click()
    settle(app)
    assert recipe(app).plan_for(layer).weight.clip == (-2.0, 3.0)
    assert "are clipped" in html(app)
    assert "1 × hand-set clip" in html(app)
    button(app, "Reset clip range").click()
    settle(app)
    assert recipe(app) == preset("w8a8")


def test_preset_and_range_in_the_sidebar(app):
    app.selectbox(key="side-preset").set_value("w8a8-pc")
    settle(app)
    assert recipe(app) == preset("w8a8-pc")
    app.selectbox(key="side-range").set_value("mse")
    settle(app)
    assert recipe(app).default.weight.range == "mse"
    assert app.selectbox(key="side-preset").value == "w8a8-pc"


def write(app, name):
    """Write a preset's name, as the browser sends it: an option that was not offered."""
    box = app.selectbox(key="side-preset")
    box.options.append(name)
    box.set_value(name)
    settle(app)


def test_a_preset_can_be_written(app):
    write(app, "w8a8-pc@2:4")
    assert recipe(app) == preset("w8a8-pc@2:4")
    assert app.selectbox(key="side-preset").value == "w8a8-pc@2:4"
    write(app, "w99a1")
    assert recipe(app) == preset("w8a8-pc@2:4")
    assert "w99a1" in html(app)
    assert 'role="alert"' in html(app)
    app.selectbox(key="side-preset").set_value("w8a8")
    settle(app)
    assert 'role="alert"' not in html(app)


def test_each_model_keeps_its_own_recipe(app):
    app.selectbox(key="side-preset").set_value("w4g32a16")
    settle(app)
    first = app.session_state.ref
    app.session_state.ref = type(first)(model="digits-resnet")
    settle(app)
    assert recipe(app) == preset("w8a8")
    app.session_state.ref = first
    settle(app)
    assert recipe(app) == preset("w4g32a16")


def load(app, text, name="a.yaml"):
    app.get("file_uploader")[0].upload(name, text.encode(), "application/yaml")
    next(one for one in app.button if one.label == "Load").click()
    return settle(app)


def test_a_recipe_is_loaded_whole(app):
    wanted = with_fix(preset("w8a8-pc"), CrossLayerEqualization())
    load(app, dumps(wanted))
    assert recipe(app) == wanted


def test_a_recipe_made_for_this_model_is_loaded_and_one_saved_names_it(app, monkeypatch):
    buttons = []
    plain = DeltaGenerator.download_button

    def download_button(self, label, data, *rest, **options):
        buttons.append((label, data))
        return plain(self, label, data, *rest, **options)

    monkeypatch.setattr(DeltaGenerator, "download_button", download_button)
    settle(app)
    saved = dict(buttons)["Save"]()
    digest = loads(saved).model
    assert digest
    assert digest in html(show(app, "overview"))
    load(app, saved)
    assert recipe(app) == preset("w8a8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nlayerz: {}\n", "Unknown key &#x27;layerz&#x27;"),
        ("version: 1\nlayers:\n  blocks.9.dw:\n    weight: {format: int8}\n", "blocks.9.dw"),
        ("version: 1\nmodel: 'ffffffffffffffff'\n", "model"),
        ("]", "not YAML or JSON"),
        ("", "The recipe is empty"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_and_the_one_at_hand_kept(app, text, said):
    app.selectbox(key="side-preset").set_value("w8a8-pc")
    settle(app)
    load(app, text)
    assert recipe(app) == preset("w8a8-pc")
    assert 'role="alert"' in html(app)
    assert said in html(app)
    button(app, "Dismiss").click()
    settle(app)
    assert 'role="alert"' not in html(app)


def test_what_went_wrong_with_a_recipe_is_old_news_after_the_next_step(app):
    load(app, "]")
    assert "not YAML or JSON" in html(app)
    app.selectbox(key="side-preset").set_value("w8a8-pc")
    settle(app)
    assert "not YAML or JSON" not in html(app)


def test_a_model_that_is_not_there_is_an_error_and_the_way_back_is_open(app):
    first = app.session_state.ref
    app.session_state.ref = type(first)(model="/nowhere/net.pt2")
    settle(app)
    assert 'role="alert"' in html(app)
    assert "net.pt2" in html(app) and "/nowhere" not in html(app)  # the paths of the server are its own
    app.session_state.ref = first
    settle(app)
    assert 'class="q-strip"' in html(app)


def test_the_environment_names_the_first_model(monkeypatch):
    monkeypatch.setenv("QDEBUG_MODEL", "digits-resnet")
    app = settle(AppTest.from_file(APP, default_timeout=120))
    assert "digits-resnet" in html(app)


def test_a_screen_asked_for_by_its_address_first_has_its_frame(app):
    fresh = AppTest.from_file(APP, default_timeout=120)
    fresh.switch_page("pages/layers.py")
    assert 'class="q-strip"' in html(settle(fresh))


def test_nothing_large_is_kept_in_the_session(app):
    for screen in ("layers", "sensitivity", "formats", "fixes", "overview"):
        show(app, screen)
    assert len(repr(app.session_state)) < 100_000


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_quantized_already_says_what_float_means(tmp_path, monkeypatch):
    x = np.random.default_rng(1).normal(size=(32, 3, 8, 8)).astype(np.float32)
    residual(tmp_path / "float.onnx")
    quantized_file(tmp_path / "float.onnx", tmp_path / "net.onnx", "qdq", True, x)
    np.savez(tmp_path / "data.npz", x=x)
    monkeypatch.setenv("QDEBUG_MODEL", str(tmp_path / "net.onnx"))
    monkeypatch.setenv("QDEBUG_DATA", str(tmp_path / "data.npz"))
    app = settle(AppTest.from_file(APP, default_timeout=PATIENCE))
    assert "they are rounded already" in html(app)
    show(app, "export")
    app.button("verify-start").click()
    assert "they are rounded already" in html(settle(app))
