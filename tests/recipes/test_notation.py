"""The short names of the command line."""

import pytest

from qdebug.errors import MethodError, RecipeError
from qdebug.recipes import (
    LayerPlan,
    SmoothQuant,
    TensorPlan,
    parse_activation_format,
    parse_fix,
    parse_plan,
    parse_weight_format,
    preset,
)

AFFINE = TensorPlan("int8", symmetric=False)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("w8a8", LayerPlan(TensorPlan("int8"), AFFINE)),
        ("W8A8", LayerPlan(TensorPlan("int8"), AFFINE)),
        ("w8a8-pc", LayerPlan(TensorPlan("int8", "channel"), AFFINE)),
        ("w4g32a16", LayerPlan(TensorPlan("int4", "group", 32), TensorPlan("fp16"))),
        ("w4g128", LayerPlan(TensorPlan("int4", "group", 128), TensorPlan("fp16"))),
        ("w8-pc", LayerPlan(TensorPlan("int8", "channel"), TensorPlan("fp16"))),
        ("w4g128a8", LayerPlan(TensorPlan("int4", "group", 128), AFFINE)),
        ("w2a32", LayerPlan(TensorPlan("int2"), TensorPlan())),
        ("w32a32", LayerPlan()),
        ("w8a8-tok", LayerPlan(TensorPlan("int8"), TensorPlan("int8", "token", symmetric=False, dynamic=True))),
        ("w8a8-pc-dyn", LayerPlan(TensorPlan("int8", "channel"), TensorPlan("int8", symmetric=False, dynamic=True))),
    ],
)
def test_layer_plans(text, plan):
    assert parse_plan(text) == plan
    assert preset(text).default == plan


@pytest.mark.parametrize(
    "text", ["", "w", "a8", "8a8", "w9a8", "w1a8", "w8a12", "w4g0a8", "w8a8-px", "w8a8 ; rm", "w٨a8"]
)
def test_what_is_no_layer_plan(text):
    with pytest.raises(RecipeError) as caught:
        parse_plan(text)
    assert caught.value.do


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("int8", TensorPlan("int8")),
        ("int4g32", TensorPlan("int4", "group", 32)),
        ("INT4-pc", TensorPlan("int4", "channel")),
        ("int8-pc-affine", TensorPlan("int8", "channel", symmetric=False)),
        ("fp16", TensorPlan("fp16")),
        ("fp32", TensorPlan()),
        ("int4g32-affine-fp16", TensorPlan("int4", "group", 32, symmetric=False, scale_format="fp16")),
        ("int8b128x64", TensorPlan("int8", "block", block=(128, 64))),
        ("int8_narrow-pc", TensorPlan("int8_narrow", "channel")),
        ("nf4", TensorPlan("nf4", "group", 64)),
        ("nf4-dq", TensorPlan("nf4", "group", 64, scale_format="double")),
        ("nf4g32", TensorPlan("nf4", "group", 32)),
        ("nf4-pc", TensorPlan("nf4", "channel")),
        ("fp8", TensorPlan("fp8_e4m3fn")),
        ("fp8_e5m2-pc", TensorPlan("fp8_e5m2", "channel")),
        ("fp8_e5m2fnuz", TensorPlan("fp8_e5m2fnuz")),
        ("mxfp4", TensorPlan("mxfp4")),
        ("MXFP4-stochastic", TensorPlan("mxfp4", rounding="stochastic")),
        ("q4_k", TensorPlan("q4_k")),
        ("kmeans4-pc", TensorPlan("kmeans4", "channel")),
        ("vq2_256", TensorPlan("vq2_256")),
        ("fp16-floor", TensorPlan("fp16", rounding="floor")),
    ],
)
def test_weight_formats(text, plan):
    assert parse_weight_format(text) == plan


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("int8", AFFINE),
        ("int8-sym", TensorPlan("int8")),
        ("int8-tok", TensorPlan("int8", "token", symmetric=False, dynamic=True)),
        ("int8-dyn-sym", TensorPlan("int8", dynamic=True)),
        ("bf16", TensorPlan("bf16")),
        ("fp8_e4m3fn", TensorPlan("fp8_e4m3fn")),
        ("fp8_e4m3fn-tok", TensorPlan("fp8_e4m3fn", "token", dynamic=True)),
        ("nvfp4", TensorPlan("nvfp4")),
        ("uint8-sym", TensorPlan("uint8")),
    ],
)
def test_activation_formats(text, plan):
    assert parse_activation_format(text) == plan


@pytest.mark.parametrize(
    ("parse", "text", "near"),
    [
        (parse_weight_format, "itn8", "int8"),
        (parse_weight_format, "int99", "int9"),
        (parse_weight_format, "int8-cp", "pc"),
        (parse_weight_format, "int8-tok", "pc"),
        (parse_weight_format, "int4g0", "int4g32"),
        (parse_weight_format, "int4g32-pc", "one of them"),
        (parse_weight_format, "fp16g32", "fp16"),
        (parse_weight_format, "", "int8"),
        (parse_activation_format, "int8-pc", "tok"),
        (parse_activation_format, "int8g32", "int8-tok"),
        (parse_activation_format, "bf16-tok", "bf16"),
        (parse_weight_format, "mxfp4g32", "granularity"),
        (parse_weight_format, "mxpf4", "mxfp4"),
        (parse_weight_format, "nf4-affine", "symmetric"),
        (parse_weight_format, "int8-dq", "per channel"),
        (parse_weight_format, "q4_k-floor", "rounding"),
        (parse_weight_format, "int4b0x8", "size"),
        (parse_weight_format, "kmeans4g32", "channel"),
        (parse_activation_format, "nf4", "integer"),
        (parse_activation_format, "mxfp4-dyn", "dynamic"),
    ],
)
def test_what_is_no_format(parse, text, near):
    with pytest.raises(RecipeError) as caught:
        parse(text)
    assert near in caught.value.do


def test_fixes():
    assert parse_fix("smoothquant:alpha=0.6") == SmoothQuant(0.6)
    assert parse_fix("cle:iterations=3").iterations == 3
    for text, near in (
        ("cel", "cle"),
        ("smoothquant:alfa=1", "alpha"),
        ("cle:iterations=many", "int"),
        ("cle:iterations", "int"),
    ):
        with pytest.raises(MethodError) as caught:
            parse_fix(text)
        assert near in caught.value.do
