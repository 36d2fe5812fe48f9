"""A whole recipe in sentences that need no notation."""

import pytest
from msgspec.structs import replace

from qdebug.figures.recipe_facts import recipe_facts, tensor_words
from qdebug.figures.recipe_words import preset_of, recipe_pills, recipe_title, written
from qdebug.recipes import (
    AttentionPlan,
    Recipe,
    TensorPlan,
    parse_cache_format,
    parse_fix,
    preset,
    set_layers,
    with_fix,
)


def test_a_preset_is_told_from_weights_to_fixes():
    facts = dict(recipe_facts(preset("w8a8-pc-all")))
    assert list(facts) == ["preset", "weights", "inputs of layers", "between layers", "biases", "fixes"]
    assert facts["preset"].startswith("w8a8-pc-all")
    assert facts["weights"] == "int8, one scale per output channel, symmetric, range by min–max"
    assert facts["inputs of layers"] == "int8, one scale for the whole tensor, affine, range by min–max"
    assert facts["biases"] == "32-bit integers"
    assert facts["fixes"] == "none"


def test_layers_of_one_plan_are_told_together():
    recipe = set_layers(preset("w8a8"), {"a": preset("w4g32a16").default, "b": preset("w4g32a16").default})
    facts = dict(recipe_facts(set_layers(recipe, {"c": Recipe().default})))
    assert facts["2 layers: a and b"].startswith("weights int4, one scale per 32 values")
    assert facts["c"] == "float"
    assert "preset" not in facts


def test_fixes_stand_in_the_order_in_which_they_are_made():
    recipe = with_fix(with_fix(preset("w8a8"), parse_fix("bias-correction")), parse_fix("cle"))
    fixes = dict(recipe_facts(recipe))["fixes"]
    assert fixes == "Cross-layer equalization (cle); then Bias correction (bias-correction)"


def test_what_attention_computes_with_is_told():
    keys, values = (parse_cache_format("int4", tensor) for tensor in ("keys", "values"))
    probs = TensorPlan("int8", symmetric=False)
    recipe = replace(preset("w8a8"), attention=AttentionPlan(keys, values, 64, probs=probs))
    facts = dict(recipe_facts(recipe))
    assert facts["attention's keys"] == "int4, one scale per channel of 32 tokens, affine"
    assert facts["attention's values"] == "int4, one scale per token and head, affine"
    assert facts["attention's probabilities"].startswith("int8, one scale for the whole tensor")
    assert facts["newest tokens"] == "64 tokens in full precision"
    assert "attention's scores" not in facts
    said = [pill.text for pill in recipe_pills(recipe)]
    assert said[1:] == ["int4 keys and values", "int8 probabilities", "newest 64 tokens float"]
    assert recipe_title(recipe) == "w8a8 + int4 keys and values + int8 probabilities + newest 64 tokens float"
    assert (preset_of(recipe), written(recipe)) == ("w8a8", None)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (TensorPlan(), "float"),
        (TensorPlan("fp16"), "fp16"),
        (TensorPlan("int8", clip=(-1.0, 2.0)), "clipped at −1.00 and 2.00 by hand"),
        (TensorPlan("int8", symmetric=False, dynamic=True), "affine, range from each sample at run time"),
        (TensorPlan("int8", range="percentile", percentile=99.9), "range by percentile 99.9"),
        (TensorPlan("int8", range="stored"), "scales as in the model's file"),
        (TensorPlan("int4", "block", block=(4, 8)), "one scale per tile of 4 × 8"),
        (TensorPlan("int8", sparsity="2:4"), "2 of each 4 weights kept"),
        (TensorPlan("int8", sparsity="50%"), "50% of the weights pruned"),
        (TensorPlan("int8", rank=8), "two factors of rank 8"),
        (TensorPlan("int8", rounding="floor"), "rounded down"),
        (TensorPlan("int4", "group", 32, scale_format="fp16"), "scales in fp16"),
        (TensorPlan("int4", "group", 32, scale_format="double"), "scales are quantized themselves"),
        (TensorPlan("mxfp4"), "mxfp4"),
    ],
)
def test_whatever_departs_from_what_is_usual_is_said(plan, words):
    assert words in tensor_words(plan)
