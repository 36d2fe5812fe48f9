"""Changes to recipes as the screens make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import RecipeError
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, TensorPlan, dumps, loads, preset, with_clip, with_fix
from qdebug.web.editing import edits
from tests.web.values import model

INFO = model()


def test_a_format_for_one_layer_and_back_leaves_no_trace():
    start = preset("w8a8")
    changed = edits.with_format(start, INFO, ("head",), "weight", "int4 g32")
    assert changed.plan_for("head").weight == TensorPlan("int4", "group", 32)
    assert changed.plan_for("a.pw") == start.default
    assert edits.with_format(changed, INFO, ("head",), "weight", "int8") == start


def test_a_format_goes_only_where_it_can():
    every = tuple(layer.name for layer in INFO.layers)
    changed = edits.with_format(preset("w8a8"), INFO, every, "weight", "int4 g32")
    assert changed.plan_for("a.dw").weight.label == "int8"
    assert changed.plan_for("a.pw").weight.label == "int4 g32"
    changed = edits.with_format(preset("w8a8"), INFO, every, "activation", "int4")
    assert changed.plan_for("tok", "embedding").activation == TensorPlan()


def test_embeddings_are_chosen_together_and_a_preset_leaves_them():
    start = edits.with_format(preset("w8a8"), INFO, ("tok",), "weight", "int3 pc")
    assert edits.tables_of(start, INFO) is None
    changed = edits.with_tables(start, INFO, "int4g32")
    assert not changed.layers and changed.embeddings == TensorPlan("int4", "group", 32)
    assert edits.tables_of(changed, INFO) == "int4g32" and edits.has_tables(INFO)
    again = edits.with_preset(changed, "w4a8")
    assert again.embeddings == changed.embeddings and again.default == preset("w4a8").default
    assert edits.with_tables(again, INFO, "fp32") == preset("w4a8")


def test_every_edit_survives_a_file():
    recipe = edits.with_format(preset("w8a8"), INFO, ("head", "tok"), "weight", "int3 pc")
    recipe = edits.with_options(recipe, INFO, INFO.layers[1], "activation", clip=(-0.5, 2.0))
    recipe = edits.with_range(recipe, INFO, "mse")
    assert loads(dumps(recipe)) == recipe


def test_a_range_method_is_for_static_tensors():
    layer = INFO.layers[1]
    recipe = edits.with_range(preset("w8a8"), INFO, "mse")
    recipe = edits.with_options(recipe, INFO, layer, "activation", dynamic=True)
    assert recipe.plan_for(layer.name).activation.range == "minmax"
    assert recipe.plan_for(layer.name).weight.range == "mse"
    assert edits.with_range(recipe, INFO, "percentile").plan_for(layer.name).activation.range == "minmax"


def test_dynamic_drops_a_hand_set_clip_range():
    layer = INFO.layers[1]
    recipe = with_clip(preset("w8a8"), layer.name, "activation", (-1.0, 1.0))
    assert edits.with_options(recipe, INFO, layer, "activation", dynamic=True).plan_for("a.pw").activation.clip is None
    assert edits.with_options(recipe, INFO, layer, "activation", clip=None) == preset("w8a8")


def test_the_range_method_reaches_every_integer_tensor_and_no_other():
    recipe = edits.with_format(preset("w8a8"), INFO, ("head",), "weight", "fp16")
    recipe = edits.with_range(recipe, INFO, "percentile")
    assert edits.range_of(recipe) == "percentile"
    assert recipe.plan_for("head").weight == TensorPlan("fp16")
    assert recipe.plan_for("head").activation.range == "percentile"
    one = edits.with_options(recipe, INFO, INFO.layers[0], "weight", range="mse")
    assert edits.range_of(one) is None
    assert edits.range_of(preset("w32a32")) is None


def test_a_preset_drops_exceptions_and_keeps_fixes():
    recipe = edits.with_format(with_fix(preset("w8a8"), CrossLayerEqualization()), INFO, ("head",), "weight", "int4")
    assert edits.with_preset(recipe, "w8a8-pc") == with_fix(preset("w8a8-pc"), CrossLayerEqualization())


def test_tidy_keeps_an_embedding_that_is_set():
    recipe = edits.with_format(preset("w8a8"), INFO, ("tok",), "weight", "int8")
    assert [name for name, _ in recipe.layers] == ["tok"]
    assert edits.with_format(recipe, INFO, ("tok",), "weight", "fp32").layers == ()


def test_a_pattern_selects_or_says_what_is_near():
    assert edits.matched("a.*", INFO) == ("a.dw", "a.pw")
    with pytest.raises(RecipeError, match="Did you mean head"):
        edits.matched("heads", INFO)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_clip_range_is_in_order_and_holds_zero(first, second):
    clip = edits.clip_range(first, second)
    if clip is None:
        assert max(abs(first), abs(second)) == 0 or min(first, second) == max(first, second) == 0
    else:
        low, high = clip
        assert low <= 0 <= high
        assert low < high


def test_fixes_survive_edits():
    recipe = with_fix(preset("w8a8"), BiasCorrection())
    assert edits.with_format(recipe, INFO, ("head",), "weight", "int4").fixes == (BiasCorrection(),)


def test_entropy_does_not_reach_groups():
    recipe = preset("w4g32a8")
    recipe = edits.with_range(recipe, INFO, "entropy")
    assert (recipe.default.weight.range, recipe.default.activation.range) == ("minmax", "entropy")
    layer = next(one for one in INFO.layers if one.name == "head")
    recipe = edits.with_range(preset("w8a8"), INFO, "entropy")
    grouped = edits.with_options(recipe, INFO, layer, "weight", granularity="group", group_size=32)
    assert grouped.plan_for(layer.name).weight.range == "minmax"
    picked = edits.with_format(recipe, INFO, (layer.name,), "weight", "int4 g32")
    assert picked.plan_for(layer.name).weight.range == "minmax"
