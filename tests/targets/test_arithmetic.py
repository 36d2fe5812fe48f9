"""What products are computed in, from the plan or from the platform's kernel."""

import pytest

from qdebug.recipes import LayerPlan, parse_activation_format, parse_weight_format
from qdebug.targets import arithmetic, find_platform
from tests.targets.layers import CONV, MATMUL


@pytest.mark.parametrize(
    ("weight", "activation", "name"),
    [
        ("int8-pc", "int8", "int8"), ("int4g32", "int8-tok", "int8"), ("int4", "int4", "int4"),
        ("int3", "int8", "int8"), ("int8", "int16", "int16"), ("int4g32", "fp16", "fp16"), ("int4g32", "bf16", "bf16"),
        ("int4g32", "fp32", "fp32"),
        ("nf4", "fp16", "fp16"), ("q4_k", "fp32", "fp32"), ("fp16", "fp16", "fp16"), ("fp32", "fp32", "fp32"),
        ("fp8_e4m3fn", "fp8_e4m3fn", "fp8"), ("fp8_e4m3fn", "fp16", "fp16"), ("nvfp4", "nvfp4", "fp4"),
        ("mxfp4", "mxfp8_e4m3", "fp8"), ("mxint8", "mxint8", "int8"), ("fp16", "int8", "fp16"),
        ("fp32", "int8", "fp32"),
        ("fp16", "fp32", "fp32"), ("fp16", "bf16", "fp32"), ("nf4", "int8", "fp32"), ("fp8_e4m3fn", "int8", "fp32"),
    ],
)  # fmt: skip
def test_from_the_plan(weight, activation, name):
    assert arithmetic(LayerPlan(parse_weight_format(weight), parse_activation_format(activation))) == name


@pytest.mark.parametrize(
    ("platform", "layer", "weight", "activation", "name"),
    [
        ("llama-cpp", MATMUL, "q4_k", "fp32", "int8"),  # its kernel quantizes the activation
        ("llama-cpp", MATMUL, "fp16", "fp32", "fp32"),
        ("onnxruntime-cpu", MATMUL, "int4g32", "fp16", "fp32"),  # no float16 arithmetic on x86-64
        ("tensorrt", MATMUL, "int4g128", "fp16", "fp16"),
        ("litert-xnnpack", CONV, "fp16", "fp16", "fp16"),
        ("qnn-htp", CONV, "int4", "int16", "int16"),
    ],
)
def test_from_the_kernel(platform, layer, weight, activation, name):
    plan = LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    assert arithmetic(plan, find_platform(platform).kernel(layer, plan)) == name
