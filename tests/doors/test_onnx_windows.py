"""Poolings, Resize and sampling over random attributes: what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tests.doors.onnx_graphs import by_door, by_runtime, lowered, model


def held(node, inputs, constants=(), opset=21):
    proto = model([node], inputs, list(node.output), constants, opset)
    for ours, theirs in zip(by_door(proto, inputs), by_runtime(proto, inputs), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("seed", range(12))
def test_poolings(op, seed):
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))
    kernel = rng.integers(1, 4, axes).tolist()
    attributes = {"kernel_shape": kernel, "strides": rng.integers(1, 3, axes).tolist(), "ceil_mode": seed % 2}
    if seed % 3:
        attributes["pads"] = [int(rng.integers(0, width)) for width in kernel * 2]
        attributes["dilations"] = rng.integers(1, 3, axes).tolist()
    if op == "AveragePool":
        attributes["count_include_pad"] = seed % 2
    x = rng.normal(size=(2, 3, *rng.integers(6, 10, axes))).astype(np.float32)
    outputs = ["y", "i"] if op == "MaxPool" and seed % 4 else ["y"]
    held(helper.make_node(op, ["x"], outputs, **attributes), {"x": x}, opset=20)


def test_plain_poolings_of_images_are_the_operators_that_patterns_look_for():
    x = np.zeros((1, 1, 6, 6), np.float32)
    for op, name in (("MaxPool", "aten.max_pool2d.default"), ("AveragePool", "aten.avg_pool2d.default")):
        node = helper.make_node(op, ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        assert [step.op for step in lowered(model([node], {"x": x}, ["y"])).steps if step.kind == "op"] == [name]


@pytest.mark.parametrize("scales", [(2.0, 2.0), (0.5, 2.6), (0.7, 1.3)])
@pytest.mark.parametrize("where", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resizing(mode, where, scales):
    x = np.random.default_rng(1).normal(size=(1, 2, 6, 7)).astype(np.float32)
    given = {"s": np.float32([1, 1, *scales])}
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") if mode == "nearest" else ("floor",):
        node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=where,
                                nearest_mode=rounding)  # fmt: skip
        held(node, {"x": x}, given, opset=19)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_the_older_resizing(mode):
    x = np.random.default_rng(2).normal(size=(1, 2, 6, 5)).astype(np.float32)
    for scales in ((2.0, 3.0), (1.5, 2.0)):
        held(
            helper.make_node("Upsample", ["x", "s"], ["y"], mode=mode), {"x": x}, {"s": np.float32([1, 1, *scales])}, 9
        )
    for scales in ((2.0, 3.0), (1.5, 0.5)):
        held(helper.make_node("Resize", ["x", "s"], ["y"], mode=mode), {"x": x}, {"s": np.float32([1, 1, *scales])}, 10)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_sampling_at_a_grid(mode, padding):
    rng = np.random.default_rng(3)
    inputs = {
        "x": rng.normal(size=(2, 3, 6, 5)).astype(np.float32),
        "g": rng.uniform(-1.3, 1.3, (2, 4, 7, 2)).astype(np.float32),
    }  # fmt: skip
    held(helper.make_node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding), inputs, opset=20)


@pytest.mark.parametrize("centred", [0, 1])
def test_boxes_that_overlap_better_ones_are_dropped(centred):
    rng = np.random.default_rng(4)
    inputs = {"b": rng.random((2, 30, 4)).astype(np.float32), "s": rng.random((2, 3, 30)).astype(np.float32)}
    given = {"m": np.int64([6]), "o": np.float32([0.3]), "l": np.float32([0.2])}
    held(
        helper.make_node("NonMaxSuppression", ["b", "s", "m", "o", "l"], ["y"], center_point_box=centred), inputs, given
    )


@pytest.mark.parametrize("ratio", [0, 2])
def test_regions_of_images(ratio):
    rng = np.random.default_rng(5)
    corner = rng.uniform(0, 10, (3, 2))
    inputs = {
        "x": rng.normal(size=(2, 3, 12, 13)).astype(np.float32),
        "r": np.concatenate((corner, corner + rng.uniform(1, 12, (3, 2))), 1).astype(np.float32),
    }  # fmt: skip
    node = helper.make_node("RoiAlign", ["x", "r", "b"], ["y"], output_height=3, output_width=2, sampling_ratio=ratio,
                            spatial_scale=0.5)  # fmt: skip
    held(node, inputs, {"b": np.int64([0, 1, 0])}, 16)
