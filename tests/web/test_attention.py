"""The plans of attention in the sidebar, where a model has any."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.errors import RecipeError
from qdebug.recipes import AttentionPlan, Recipe, parse_cache_format, parse_probs_format, preset
from qdebug.results import AttentionInfo
from qdebug.web.editing import attention, edits
from tests.web.conftest import APP, PATIENCE, html, settle
from tests.web.test_screens import recipe
from tests.web.values import model

ONE = AttentionInfo(name="attn", keys=64, values=64, head=(32, 32), fused=True)


def test_a_model_without_attention_has_no_such_control(app):
    settle(app)
    assert not [box.key for box in app.selectbox if box.key.startswith("attention-")]


def box(app, name):
    """The select of keys, values, scores, probabilities or the window."""
    return next(one for one in app.selectbox if one.key.startswith(f"attention-{name}--"))


def test_keys_and_values_of_a_language_model(monkeypatch):
    monkeypatch.setenv("QDEBUG_MODEL", "pydoc-gpt")
    app = settle(AppTest.from_file(APP, default_timeout=PATIENCE))
    for name, text in (("keys", "int4"), ("values", "int8-static"), ("window", 32), ("probs", "int8")):
        box(app, name).set_value(text)
        settle(app)
        assert box(app, name).value == text
    plan = recipe(app).attention
    assert plan == AttentionPlan(
        parse_cache_format("int4", "keys"), parse_cache_format("int8-static", "values"), 32,
        probs=parse_probs_format("int8"),
    )  # fmt: skip
    page = html(app)
    assert "A token takes" in page
    for pill in ("int4 pc g32 keys", "int8 values", "int8 probabilities", "newest 32 tokens float"):
        assert pill in page
    keys = box(app, "keys")
    keys.options.append("int4.5")  # written, as the browser sends it
    keys.set_value("int4.5")
    settle(app)
    assert recipe(app).attention == plan
    assert "Unknown number format" in "".join(one.value for one in app.markdown) + html(app)


def test_each_offered_format_can_be_chosen_and_is_shown():
    for name, known in (
        ("keys", attention.KEYS), ("values", attention.VALUES), ("scores", attention.INSIDE),
        ("probs", attention.INSIDE),
    ):  # fmt: skip
        for text in known:
            recipe = attention.changed(preset("w8a8"), name, text)
            assert attention.notation(recipe.attention, name, known) == text
            assert (recipe.attention == AttentionPlan()) == (text == "fp32")
            assert recipe.default == preset("w8a8").default


def test_what_is_written_by_hand_has_its_label():
    recipe = attention.changed(Recipe(), "keys", "int4g64-pc")
    assert attention.notation(recipe.attention, "keys", attention.KEYS) == "int4 pc g64"
    with pytest.raises(RecipeError, match="Unknown number format"):
        attention.changed(Recipe(), "keys", "int4.5")


def test_a_window_holds_whole_groups_and_goes_with_the_cache():
    recipe = attention.with_window(attention.changed(Recipe(), "values", "int8"), 40)
    assert recipe.attention.window == 40
    recipe = attention.changed(recipe, "keys", "int4")
    assert recipe.attention.window == 64
    recipe = attention.changed(attention.changed(recipe, "keys", "fp32"), "values", "fp32")
    assert recipe.attention == AttentionPlan()


def test_a_preset_leaves_attention_alone():
    plan = AttentionPlan(probs=parse_probs_format("int8"))
    assert edits.with_preset(Recipe(attention=plan), "w4a16").attention == plan


def test_bytes_of_a_token_in_words():
    info = model(attentions=(ONE, ONE))
    plan = AttentionPlan(keys=parse_cache_format("int4", "keys"), values=parse_cache_format("int8-tok", "values"))
    # a head of 32: keys 4 bits and a 32nd of scale and minimum, values 8 bits and both once
    bits = 2 * 2 * (32 * 5 + 32 * 8 + 32)
    assert attention.size_in_words(info, plan).replace("\u00a0", " ").replace("\u202f", " ") == (
        f"A token takes {bits // 8} B in the cache, 512 B in fp16: {bits / 256:.2f} bits a value."
    )
