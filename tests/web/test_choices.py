"""What the selects offer, and what a pick makes of a plan."""

import msgspec
import pytest

from qdebug.figures.colours import MARK, precision
from qdebug.formats import find
from qdebug.recipes import TensorPlan, parse_activation_format, parse_plan, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.recipes.check import check_tensor_plan
from qdebug.web.core.choices import activation_choices, choices, label_of, picked, weight_choices
from tests.web.values import layer


@pytest.mark.parametrize("tensor", ["weight", "activation"])
def test_every_choice_is_a_plan_the_recipe_accepts_and_reads_as_its_label(tensor):
    for choice in choices(tensor):
        check_tensor_plan(choice.plan, tensor, "here")
        assert label_of(choice.plan, tensor) == choice.label
        assert precision(choice.label) in MARK


@pytest.mark.parametrize("tensor", ["weight", "activation"])
def test_no_label_stands_for_two_plans(tensor):
    labels = [choice.label for choice in choices(tensor)]
    assert len(labels) == len(set(labels))


def test_groups_are_offered_only_where_a_row_is_longer():
    labels = {choice.label for choice in weight_choices(layer("dw", in_features=9))}
    assert "int4 pc" in labels
    assert not {label for label in labels if " g" in label}
    assert "int4 g32" in {choice.label for choice in weight_choices(layer("pw", in_features=64))}


def test_tokens_are_offered_only_for_matrix_products_and_nothing_for_embeddings():
    assert not {one.label for one in activation_choices(layer("c")) if "tok" in one.label}
    assert "int8 tok" in {one.label for one in activation_choices(layer("m", "matmul"))}
    assert activation_choices(layer("e", "embedding")) == ()


@pytest.mark.parametrize("text", ["w8a8", "w8a8-pc", "w4g32a16", "w2a3-tok", "w32a32"])
def test_what_a_preset_says_is_among_the_choices(text):
    plan = parse_plan(text)
    assert label_of(plan.weight, "weight") in {one.label for one in weight_choices()}
    assert label_of(plan.activation, "activation") in {one.label for one in activation_choices()}


def test_a_pick_keeps_how_the_range_is_found():
    now = TensorPlan("int8", range="percentile", percentile=99.0, clip=(-1.0, 1.0))
    four = picked(now, "int4", "weight")
    assert four == TensorPlan("int4", range="percentile", percentile=99.0, clip=(-1.0, 1.0))
    assert picked(now, "int4 pc", "weight").clip is None
    assert picked(now, "fp16", "weight") == TensorPlan("fp16")


def test_a_pick_of_something_unknown_changes_nothing():
    now = TensorPlan("int8")
    assert picked(now, "int9", "weight") is now
    assert picked(now, "int4 g32", "weight", layer("dw", in_features=9)) is now


def test_labels_say_what_is_unusual():
    assert label_of(TensorPlan("int8", symmetric=True), "activation") == "int8 sym"
    assert label_of(TensorPlan("int8", symmetric=False), "weight") == "int8 affine"
    dynamic = msgspec.structs.replace(parse_plan("w8a8-dyn").activation)
    assert label_of(dynamic, "activation") == "int8 dyn"


@pytest.mark.parametrize(
    ("notation", "label"),
    [
        ("int4g32-dq", "int4 g32 dq"), ("int4g32-fp16", "int4 g32 fp16 scales"), ("int8-pc-e8m0", "int8 pc 2ⁿ scales"),
        ("int4-away", "int4 away"), ("int4-pc-affine-floor", "int4 pc affine floor"),
        ("mxfp4-stochastic", "mxfp4 stochastic"),
        ("nf4-dq", "nf4 g64 dq"), ("int4b4x32", "int4 b4×32"), ("q4_k", "q4_k"), ("kmeans4-pc", "kmeans4 pc"),
    ],
)  # fmt: skip
def test_labels_of_weights_say_how_scales_are_stored_and_values_rounded(notation, label):
    assert label_of(parse_weight_format(notation), "weight") == label


@pytest.mark.parametrize(("tensor", "groups"), [("weight", WEIGHTS), ("activation", ACTIVATIONS)])
def test_every_candidate_that_is_no_plain_integer_is_offered(tensor, groups):
    parse = parse_weight_format if tensor == "weight" else parse_activation_format
    plans = [parse(notation) for group in groups.values() for notation in group]
    offered = {choice.plan for choice in choices(tensor)}
    assert {plan for plan in plans if not find(plan.format).is_integer} <= offered


def test_groups_of_tables_too_need_a_longer_row():
    short = {choice.label for choice in weight_choices(layer("dw", in_features=9))}
    assert not {label for label in short if label.startswith("nf4 g")}
    assert {"mxfp4", "q4_k", "kmeans4 pc", "fp8_e4m3fn"} <= short
    assert "nf4 g64" in {choice.label for choice in weight_choices(layer("pw", in_features=65))}


def test_a_pick_of_another_kind_leaves_the_range_behind():
    now = TensorPlan("int8", range="mse", clip=(-1.0, 1.0))
    assert picked(now, "mxfp4", "weight") == TensorPlan("mxfp4")
    assert picked(now, "nf4 g64", "weight") == parse_weight_format("nf4")
    assert picked(TensorPlan("mxfp4"), "int8", "weight") == TensorPlan("int8")
    assert picked(now, "fp8_e4m3fn", "activation") == TensorPlan("fp8_e4m3fn")
