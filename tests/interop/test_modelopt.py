"""ModelOpt's quantizers are what was decided: bits, axis, blocks, and the very numbers that an activation becomes."""

import json

import pytest
import torch

from qdebug.export import export, save
from qdebug.quantize import fake_quantize_activation
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_plan, parse_weight_format, set_layers
from tests.export.recipes import FLOAT, SYMMETRIC

MIXED = set_layers(
    Recipe(default=SYMMETRIC),
    {
        "dw": FLOAT,
        "pw": LayerPlan(parse_weight_format("int6"), parse_activation_format("int8-sym-dyn")),
        "head": LayerPlan(parse_weight_format("int4g4"), parse_activation_format("fp8_e4m3fn")),
    },
)


@pytest.fixture
def quantizers(run_tool, residual, tmp_path):
    def of(recipe):
        path = save(export(residual, recipe, "modelopt"), tmp_path)
        return run_tool("modelopt", path, "tests.networks", "Residual", json.dumps([4, 3, 8, 8]))

    return of


def test_only_what_is_quantized_is_on(quantizers):
    on = {name for name, told in quantizers(MIXED).items() if told["enabled"]}
    assert on == {f"{layer}.{side}_quantizer" for layer in ("stem", "pw", "head") for side in ("input", "weight")}


def test_bits_axes_and_blocks(quantizers):
    told = quantizers(MIXED)
    weights = {name: told[f"{name}.weight_quantizer"] for name in ("stem", "pw", "head")}
    assert [weights[name]["num_bits"] for name in ("stem", "pw", "head")] == [8, 6, 4]
    assert [weights[name]["axis"] for name in ("stem", "pw")] == [0, None]
    assert weights["head"]["block_sizes"] == {"-1": 4}
    assert len(weights["stem"]["amax"]) == 8
    assert len(weights["head"]["amax"]) == 5 * 2
    assert told["head.input_quantizer"]["num_bits"] == [4, 3]
    assert told["pw.input_quantizer"]["amax"] is None


@pytest.mark.parametrize("layer", ["stem", "head"])
def test_an_activation_becomes_the_same_numbers(layer, quantizers, residual):
    told = quantizers(MIXED)[f"{layer}.input_quantizer"]
    tensor = next(one for one in residual.decided(MIXED).layers if one.node == layer).activation
    x = torch.linspace(-6, 6, 601)
    wanted = fake_quantize_activation(x, tensor.plan, tensor.grid, -1)
    # ModelOpt multiplies by the inverse of the scale: on a tie the neighbour may be taken.
    same = torch.isclose(torch.tensor(told["of_line"]), wanted, rtol=1e-5, atol=1e-7)
    assert same.double().mean() > 0.99


@pytest.mark.parametrize(("format_name", "bits", "block"), [("mxfp4", [2, 1], 32), ("nvfp4", [2, 1], 16)])
def test_block_formats(format_name, bits, block, quantizers):
    plan = LayerPlan(parse_weight_format(format_name), parse_activation_format(format_name))
    told = quantizers(set_layers(Recipe(default=parse_plan("w32a32")), {"head": plan}))
    for side in ("input", "weight"):
        one = told[f"head.{side}_quantizer"]
        assert one["num_bits"] == bits
        assert one["block_sizes"]["-1"] == block
