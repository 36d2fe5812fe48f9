"""Ranges that come with a model's file: which plans can have them."""

import pytest

from qdebug.errors import RecipeError
from qdebug.recipes import LayerPlan, Recipe, TensorPlan, dumps, loads
from qdebug.recipes.check import check_tensor_plan

CAN = ["int8", "int4", "fp8_e4m3fn", "nf4", "nvfp4", "mxfp4"]
CANNOT = ["fp32", "fp16", "q4_k", "kmeans4", "ternary"]


@pytest.mark.parametrize("name", CAN)
def test_what_rounds_to_the_nearest_level_at_given_scales_can(name):
    plan = TensorPlan(name, range="stored")
    check_tensor_plan(plan, "weight", "a.weight")
    recipe = Recipe(layers=(("a", LayerPlan(plan)),))
    assert loads(dumps(recipe)) == recipe


@pytest.mark.parametrize("name", CANNOT)
def test_what_has_no_scales_or_a_rule_of_its_own_cannot(name):
    with pytest.raises(RecipeError, match="a.weight: range 'stored'"):
        check_tensor_plan(TensorPlan(name, range="stored"), "weight", "a.weight")


@pytest.mark.parametrize("changes", [{"clip": (-1.0, 1.0)}, {"dynamic": True}, {"granularity": "token"}])
def test_nothing_else_may_say_the_range(changes):
    with pytest.raises(RecipeError, match="stored"):
        check_tensor_plan(TensorPlan("int8", range="stored", **changes), "activation", "a.activation")
