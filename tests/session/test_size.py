"""Bits of a weight under a plan, with everything needed to read it again."""

import pytest

from qdebug.recipes import TensorPlan
from qdebug.results import LayerInfo
from qdebug.session.size import weight_bits

LAYER = LayerInfo(
    name="a", op="linear", kind="matmul", weight_shape=(64, 512), params=64 * 512, macs=64 * 512, out_channels=64,
    in_features=512, has_bias=False,
)  # fmt: skip
WEIGHTS = 64 * 512


@pytest.mark.parametrize(
    ("plan", "bits"),
    [
        # QLoRA: 8 bits and 1/256 of a float32 for each scale of 64 weights, 0.127 a weight; and the mean, once
        (TensorPlan("nf4", "group", 64, scale_format="double"), WEIGHTS * (4 + 8 / 64 + 32 / (64 * 256)) + 32),
        (TensorPlan("nf4", "group", 64, scale_format="fp32"), WEIGHTS * (4 + 32 / 64)),
        (TensorPlan("int4", "group", 32, scale_format="e8m0"), WEIGHTS * (4 + 8 / 32)),
        (TensorPlan("int4", "group", 32), WEIGHTS * (4 + 16 / 32)),
        (TensorPlan("int4", "group", 32, symmetric=False), WEIGHTS * (4 + 20 / 32)),
        (TensorPlan("int8", "channel"), WEIGHTS * 8 + 64 * 32),
        (TensorPlan("mxfp4"), WEIGHTS * (4 + 8 / 32)),
        (TensorPlan("nvfp4"), WEIGHTS * (4 + 8 / 16) + 32),
        (TensorPlan("q4_k"), WEIGHTS * 4.5),
        (TensorPlan("ternary_3_4"), WEIGHTS * 1.25 + 32),
        (TensorPlan("kmeans4"), WEIGHTS * 4 + 16 * 16 + 8),
        (TensorPlan("kmeans4", "channel"), WEIGHTS * 4 + 64 * (16 * 16 + 8)),
        (TensorPlan("vq4_256"), WEIGHTS / 4 * 8 + 256 * 4 * 16 + 8),
    ],
    ids=lambda value: f"{value.label} {value.scale_format}" if isinstance(value, TensorPlan) else "",
)
def test_bits(plan, bits):
    assert weight_bits(LAYER, plan) == bits
