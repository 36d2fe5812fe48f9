"""A recipe is a value."""

import msgspec
import pytest
from hypothesis import given

from qdebug.errors import RecipeError
from qdebug.recipes import (
    FLOAT,
    BiasCorrection,
    CrossLayerEqualization,
    Recipe,
    SmoothQuant,
    matching,
    parse_plan,
    preset,
    set_layers,
    with_clip,
    with_fix,
    without_fix,
)
from tests.recipes.strategies import recipes

W8A8 = preset("w8a8")


@given(recipe=recipes)
def test_equal_recipes_have_equal_hashes_and_digests(recipe):
    twin = msgspec.msgpack.decode(msgspec.msgpack.encode(recipe), type=Recipe)
    assert twin == recipe
    assert hash(twin) == hash(recipe)
    assert twin.digest == recipe.digest


@given(one=recipes, other=recipes)
def test_different_recipes_have_different_digests(one, other):
    same = msgspec.structs.replace(one, model=None) == msgspec.structs.replace(other, model=None)
    assert (one.digest == other.digest) == same


def test_digests_stay_what_they_were():
    """A recipe saved with one version of qdebug must find its results in the next one."""
    assert Recipe().digest == DIGESTS["float"]
    assert W8A8.digest == DIGESTS["w8a8"]
    mixed = with_fix(set_layers(W8A8, {"head": parse_plan("w4g32a16")}), SmoothQuant(0.6))
    assert mixed.digest == DIGESTS["mixed"]


DIGESTS = {"float": "4f5c337be2e987b2", "w8a8": "ad914b4242149d2a", "mixed": "2b06be618511a9a8"}


def test_the_model_a_recipe_was_made_for_is_no_part_of_its_digest():
    assert msgspec.structs.replace(W8A8, model="00").digest == W8A8.digest


def test_the_order_in_which_layers_were_set_does_not_matter():
    plans = {name: parse_plan("w4a8") for name in ("b", "a", "c")}
    stepwise = W8A8
    for name in ("c", "b", "a"):
        stepwise = set_layers(stepwise, {name: plans[name]})
    assert stepwise == set_layers(W8A8, plans)
    assert [name for name, _ in stepwise.layers] == ["a", "b", "c"]


def test_editing_makes_new_recipes():
    before = W8A8.digest
    changed = with_clip(W8A8, "a", "activation", (-1.0, 2.0))
    assert changed.plan_for("a").activation.clip == (-1.0, 2.0)
    assert changed.plan_for("a").weight == W8A8.default.weight
    assert changed.plan_for("b") == W8A8.default
    assert with_clip(changed, "a", "activation", None).plan_for("a") == W8A8.default
    assert W8A8.digest == before
    with pytest.raises(AttributeError):
        W8A8.model = "x"


def test_embeddings_stay_float_unless_named():
    assert W8A8.plan_for("e", "embedding").weight == FLOAT
    assert set_layers(W8A8, {"e": parse_plan("w4a32")}).plan_for("e", "embedding").weight.format == "int4"


def test_a_method_occurs_once_and_in_the_fields_order():
    recipe = with_fix(with_fix(with_fix(W8A8, BiasCorrection()), SmoothQuant(0.3)), CrossLayerEqualization())
    recipe = with_fix(recipe, SmoothQuant(0.7))
    assert recipe.fixes == (CrossLayerEqualization(), SmoothQuant(0.7), BiasCorrection())
    assert without_fix(recipe, "smoothquant").fixes == (CrossLayerEqualization(), BiasCorrection())


def test_patterns():
    names = ("blocks.0.conv", "blocks.1.conv", "head")
    assert matching("blocks.*", names) == names[:2]
    assert matching("*", names) == names
    with pytest.raises(RecipeError) as caught:
        matching("block.0.conv", names)
    assert "blocks.0.conv" in caught.value.do
