"""Recipes in words."""

import re

import pytest

from qdebug.recipes import (
    BiasCorrection,
    CrossLayerEqualization,
    LayerPlan,
    SmoothQuant,
    TensorPlan,
    preset,
    with_clip,
    with_fix,
)  # fmt: skip
from qdebug.web.core import words
from qdebug.web.editing import edits
from tests.web.values import model

INFO = model()


@pytest.mark.parametrize("text", [*words.PRESETS, "w8a8-tok", "w3a7-dyn", "w2g64a4"])
def test_a_preset_reads_as_itself_whatever_its_ranges(text):
    ranged = edits.with_range(preset(text), INFO, "mse")
    for recipe in (preset(text), ranged):
        assert words.short_name(recipe.default) == text.removesuffix("-all")
        assert words.preset_of(recipe) == (text if text in words.PRESETS else None)


def test_a_plan_without_a_short_name_is_named_by_its_tensors():
    plan = LayerPlan(TensorPlan("bf16"), TensorPlan("int8", symmetric=True))
    assert words.short_name(plan) is None
    assert words.plan_in_words(plan) == "bf16 / int8 sym"


def test_pills_count_exceptions_and_name_fixes():
    recipe = with_fix(with_fix(with_fix(preset("w8a8"), SmoothQuant(0.6)), BiasCorrection()), CrossLayerEqualization())
    recipe = edits.with_format(recipe, INFO, ("a.pw", "head"), "weight", "int4 g32")
    recipe = edits.with_format(recipe, INFO, ("head",), "activation", "fp16")
    recipe = with_clip(recipe, "a.dw", "weight", (-1.0, 1.0))
    pills = words.recipe_pills(recipe)
    assert [pill.text for pill in pills] == [
        "w8a8 per tensor", "2 × int4 g32", "1 × fp16 in", "1 × hand-set clip", "CLE", "SmoothQuant α 0.600",
        "bias correction",
    ]  # fmt: skip
    assert [pill.precision for pill in pills] == ["p8", "p4", "p16", "", "", "", ""]


def test_pills_say_how_ranges_are_found_where_that_is_unusual():
    recipe = edits.with_range(preset("w8a8"), INFO, "percentile")
    assert [pill.text for pill in words.recipe_pills(recipe)] == ["w8a8 per tensor", "percentile ranges"]
    recipe = edits.with_options(preset("w8a8"), INFO, INFO.layers[1], "activation", range="mse")
    assert "mixed ranges" in [pill.text for pill in words.recipe_pills(recipe)]


def test_a_recipe_s_name_in_a_chart():
    recipe = edits.with_format(with_fix(preset("w8a8"), CrossLayerEqualization()), INFO, ("head",), "weight", "int4")
    assert words.recipe_title(recipe) == "w8a8 + 1 set + CLE"


@pytest.mark.parametrize(
    "text", ["![x](https://a.b/c.png)", ":material/skull: :red[x]", "a -> b <- c", "$x$", "**b** _i_ `c` ~~d~~", "# h"]
)
def test_every_sign_of_a_label_stands_for_itself(text):
    said = words.literal(text)
    assert re.sub(r"\\(.)", r"\1", said) == text
    assert not re.search(r"(?<!\\)[*_`~$:<>#\[\]!-]", said)


def test_what_cannot_be_seen_in_a_label_is_written_out():
    assert words.literal("a\u200bb\n") == "a⟨U\\+200B⟩b⟨U\\+000A⟩"
