"""GPTQ and AWQ checkpoints as they are written, against the layout by hand and against their readers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.export.checkpoints import awq, gptq, linear_of
from qdebug.quantize import weight_grid
from qdebug.recipes import FLOAT, TensorPlan, parse_activation_format
from tests.doors import packed_by_hand as hand

HALF = {"scale_format": "fp16"}
AFFINE = TensorPlan("int4", "group", 16, symmetric=False, **HALF)


def made(plan, rows=32, columns=64, seed=0, name="a", activation=FLOAT, positive=False):
    torch.manual_seed(seed)
    values = torch.randn(rows, columns)
    values = values.abs() if positive else values
    return linear_of(name, values, plan, weight_grid(values, plan), activation)


def parts(written, name="a"):
    return {key.removeprefix(f"{name}."): one for key, one in written.tensors.items()}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_lays_codes_as_described(bits, version):
    layer = made(TensorPlan(f"int{bits}", "group", 16, symmetric=False, **HALF))
    written = gptq([layer], version="gptq" if version == 1 else "gptq_v2")
    zeros, scale = layer.grid.zero_point.int().numpy(), layer.grid.scale.half()
    expected = hand.gptq(layer.codes.numpy(), zeros, scale, bits, version=version)
    found = parts(written)
    assert sorted(found) == sorted(expected)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_awq_lays_codes_as_described():
    layer = made(AFFINE)
    expected = hand.awq(layer.codes.numpy(), layer.grid.zero_point.int().numpy(), layer.grid.scale.half())
    found = parts(awq([layer]))
    assert sorted(found) == sorted(expected)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


@settings(max_examples=40, deadline=None)
@given(
    bits=st.sampled_from([2, 3, 4, 8]), affine=st.booleans(), rows=st.sampled_from([32, 64]),
    groups=st.integers(1, 3), size=st.sampled_from([32, 64]), seed=st.integers(0, 99), positive=st.booleans(),
)  # fmt: skip
def test_what_gptq_is_given_comes_back(bits, affine, rows, groups, size, seed, positive):
    plan = TensorPlan(f"int{bits}", "group", size, symmetric=not affine, **HALF)
    layer = made(plan, rows, groups * size, seed, positive=positive)
    written = gptq([layer])
    found = read_checkpoint(written.tensors, written.config).linear("a")
    assert torch.equal(found.weight, layer.weight)
    assert written.config["sym"] == layer.is_symmetric if affine is False else True
    assert written.unsaid == ()


@pytest.mark.parametrize(
    "plan", [AFFINE, TensorPlan("int4", "group", 32, **HALF), TensorPlan("int4", "channel", **HALF)]
)
def test_what_awq_is_given_comes_back(plan):
    layer = made(plan)
    written = awq([layer])
    found = read_checkpoint(written.tensors, written.config).linear("a")
    assert torch.equal(found.weight, layer.weight)
    assert written.unsaid == ()


def test_a_zero_point_of_zero_asks_for_the_second_layout():
    plan = TensorPlan("int4", "group", 16, symmetric=False, **HALF)
    assert gptq([made(plan, positive=True)]).config["checkpoint_format"] == "gptq_v2"
    assert gptq([made(TensorPlan("int4", "group", 16, **HALF))]).config["checkpoint_format"] == "gptq"


@pytest.mark.parametrize("write", [gptq, awq])
def test_layers_of_another_plan_stay_float(write):
    layers = [made(AFFINE, name="a"), made(AFFINE, name="b"), made(TensorPlan("int4", "channel", **HALF), name="c.d")]
    written = write(layers)
    assert [text.split(":")[0] for text in written.unsaid] == ["c.d"]
    assert not any(name.startswith("c.d") for name in written.tensors)
    assert written.config.get("modules_to_not_convert") == ["c.d"] or written.config["dynamic"] == {r"-:^c\.d$": {}}


@pytest.mark.parametrize(
    ("plan", "shape", "words"),
    [
        (TensorPlan("nf4", "group", 16), (32, 64), "has no nf4"),
        (TensorPlan("int5", "channel"), (32, 64), "codes of 5 bits"),
        (TensorPlan("int4", "block", block=(16, 16)), (32, 64), "no tiles"),
        (TensorPlan("int4", "group", 24), (32, 64), "not all of one size"),
        (TensorPlan("int4", "channel"), (12, 64), "whole number of words"),
    ],
)
@pytest.mark.parametrize("write", [gptq, awq])
def test_what_cannot_be_said(write, plan, shape, words):
    written = write([made(plan, *shape, name="bad"), made(AFFINE)])
    assert words in written.unsaid[0]
    assert "bad" in written.unsaid[0]
    assert all(name.startswith("a.") for name in written.tensors)


def test_scales_that_float16_cannot_hold():
    values = torch.full((32, 64), 1e-9)
    plan = TensorPlan("int4", "channel")
    written = gptq([linear_of("bad", values, plan, weight_grid(values, plan)), made(AFFINE)])
    assert "beyond float16" in written.unsaid[0]


def test_inputs_and_scales_that_are_not_kept_are_said():
    inputs = parse_activation_format("int8-tok")
    plan = TensorPlan("int4", "group", 16)
    said = gptq([made(plan, activation=inputs)]).unsaid
    assert any("does not quantize activations" in text for text in said)
    assert any("float16" in text for text in said)
