"""compressed-tensors checkpoints as they are written: read again they are the same codes on the same grids."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.export.checkpoints import compressed_tensors, decided_linear, linear_of
from qdebug.quantize import QParams, choose_grid, quantize_weight, weight_grid
from qdebug.recipes import FLOAT, TensorPlan, parse_activation_format, parse_weight_format
from tests.export.made import linear as decided_layer

BF16 = {"scale_format": "bf16"}
PLANS = {
    "int8 by channel": TensorPlan("int8", "channel"),
    "int8 by tensor": TensorPlan("int8"),
    "int8 affine": TensorPlan("int8", "channel", symmetric=False),
    "int4 groups": TensorPlan("int4", "group", 16, **BF16),
    "int4 affine groups": TensorPlan("int4", "group", 16, symmetric=False, **BF16),
    "int3 affine groups": TensorPlan("int3", "group", 32, symmetric=False),
    "int4 by channel": TensorPlan("int4", "channel"),
    "fp8 by tensor": TensorPlan("fp8_e4m3fn"),
    "fp8 by channel": TensorPlan("fp8_e4m3fn", "channel"),
    "fp8 by tiles": TensorPlan("fp8_e4m3fn", "block", block=(16, 32)),
    "mxfp4": TensorPlan("mxfp4"),
    "mxfp8": TensorPlan("mxfp8_e4m3"),
    "nvfp4": TensorPlan("nvfp4"),
}
TOKEN = {"int8 by channel": "int8-tok", "fp8 by channel": "fp8-tok", "fp8 by tiles": "fp8-tok", "mxfp8": "mxfp8_e4m3"}


def drawn(rows=32, columns=64, seed=0):
    torch.manual_seed(seed)
    return torch.randn(rows, columns)


def made(plan, values, activation=FLOAT, fixed=None, name="layers.0.up"):
    return linear_of(name, values, plan, weight_grid(values, plan), activation, fixed)


def again(written, name="layers.0.up"):
    return read_checkpoint(written.tensors, written.config).linear(name)


@pytest.mark.parametrize("case", PLANS)
def test_read_again_it_is_the_same(case):
    plan, values = PLANS[case], drawn()
    inputs = parse_activation_format(TOKEN[case]) if case in TOKEN else FLOAT
    layer = made(plan, values, inputs)
    written = compressed_tensors([layer])
    found = again(written)
    assert torch.equal(
        found.codes.int(), layer.codes.int() - (1 << (int(plan.format[3:]) - 1) if shifted(layer) else 0)
    )
    assert found.activation == layer.activation
    expected = quantize_weight(values, plan)[0]
    if case == "nvfp4":  # block scales times one number there, divided by its reciprocal here
        assert torch.allclose(found.weight, expected, rtol=2**-21, atol=0)
    else:
        assert torch.equal(found.weight, expected)


def shifted(layer):
    return isinstance(layer.grid, QParams) and layer.grid.qmin >= 0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9), groups=st.integers(1, 5), bits=st.integers(2, 8), affine=st.booleans(),
    size=st.sampled_from([1, 3, 8, 16]), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_codes_come_back(rows, groups, bits, affine, size, seed):
    plan = TensorPlan(f"int{bits}", "group", size, symmetric=not affine)
    layer = made(plan, drawn(rows, groups * size, seed))
    found = again(compressed_tensors([layer]))
    assert torch.equal(found.weight, layer.weight)
    assert torch.equal(found.grid.scale, layer.grid.scale)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_fixed_input(symmetric):
    plan = TensorPlan("int8", symmetric=symmetric)
    layer = made(TensorPlan("int8", "channel"), drawn(), plan, choose_grid(-1.0, 3.0, plan))
    found = again(compressed_tensors([layer]))
    assert (found.activation.symmetric, found.activation.range) == (symmetric, "stored")
    ends = [(one.clip_min.item(), one.clip_max.item()) for one in (found.activation_grid, layer.activation_grid)]
    assert ends[0] == ends[1]


def test_layers_of_one_scheme_are_all_linear_layers_but_those_left_out():
    layers = [made(PLANS["int4 groups"], drawn(), name=f"layers.{place}.up") for place in range(3)]
    config = compressed_tensors(layers, ignore=["lm_head"]).config
    (group,) = config["config_groups"].values()
    assert (group["targets"], config["ignore"], config["format"]) == (["Linear"], ["lm_head"], "pack-quantized")


def test_layers_of_several_schemes_are_named():
    layers = [
        made(PLANS["int4 groups"], drawn(), name="a"),
        made(PLANS["int8 by channel"], drawn(), parse_activation_format("int8-tok"), name="b"),
        made(PLANS["int4 groups"], drawn(), name="c"),
    ]
    written = compressed_tensors(layers)
    groups = [(one["targets"], one["format"]) for one in written.config["config_groups"].values()]
    assert groups == [(["a", "c"], "pack-quantized"), (["b"], "int-quantized")]
    assert written.config["format"] == "mixed-precision"
    assert written.unsaid == ()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (TensorPlan("nf4", "group", 16), "compressed-tensors has no nf4"),
        (TensorPlan("int12", "channel"), "codes of 12 bits"),
        (TensorPlan("fp8_e5m2"), "compressed-tensors has no fp8_e5m2"),
        (TensorPlan("int4", "group", 24), "no whole number of groups of 24"),
        (TensorPlan("int4", "block", block=(16, 16)), "packs no tiles"),
        (TensorPlan("nvint4"), "compressed-tensors has no nvint4"),
    ],
)
def test_what_cannot_be_said_stays_float_and_is_said(plan, words):
    written = compressed_tensors([made(plan, drawn()), made(PLANS["int8 by channel"], drawn(), name="b")])
    assert words in written.unsaid[0]
    assert "layers.0.up" in written.unsaid[0]
    assert written.config["ignore"] == ["layers.0.up"]
    assert not any(name.startswith("layers.0.up") for name in written.tensors)


@pytest.mark.parametrize("text", ["int6", "nvfp4", "uint8"])
def test_inputs_that_cannot_be_said(text):
    plan = parse_activation_format(text)
    written = compressed_tensors([made(PLANS["int8 by channel"], drawn(), plan)])
    assert "the activation stays float" in written.unsaid[0]
    assert again(written).activation == FLOAT


def test_scales_of_groups_that_are_not_those_of_the_models_type_are_said():
    plan = TensorPlan("int4", "group", 16)
    assert "scales are stored in float32" in compressed_tensors([made(plan, drawn())]).unsaid[0]
    assert compressed_tensors([made(PLANS["int4 groups"], drawn())]).unsaid == ()


def test_a_layer_of_a_recipe():
    layer = decided_layer(
        "up", parse_weight_format("int4g4-affine"), parse_activation_format("int8-tok"), shape=(8, 16)
    )
    found = again(compressed_tensors([decided_linear(layer)]), "up")
    expected = quantize_weight(layer.values, layer.weight.plan)[0]
    assert torch.equal(found.weight, expected)
    assert found.activation.granularity == "token"
    assert decided_linear(decided_layer("up", FLOAT)) is None


def test_a_weight_that_was_rounded_otherwise():
    layer = decided_layer("up", TensorPlan("int4", "channel", rounding="floor"), FLOAT, shape=(8, 16))
    found = again(compressed_tensors([decided_linear(layer)]), "up")
    assert torch.equal(found.weight, quantize_weight(layer.values, layer.weight.plan)[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PLANS)
def test_the_library_reads_the_same(case):
    pytest.importorskip("compressed_tensors")
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig

    plan = PLANS[case]
    inputs = parse_activation_format(TOKEN[case]) if case in TOKEN else FLOAT
    layer = made(plan, drawn(), inputs)
    written = compressed_tensors([layer])
    config = QuantizationConfig.model_validate(written.config)
    scheme = config.config_groups["group_0"]
    compressor = BaseCompressor.get_value_from_registry(scheme.format)
    parts = {name.removeprefix("layers.0.up."): one for name, one in written.tensors.items()}
    restored = compressor.decompress(parts, scheme)["weight"].data
    assert torch.equal(again(written).weight.to(restored.dtype), restored)
