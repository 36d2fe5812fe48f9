"""ai-edge-quantizer finds every layer of a converted network by our expressions and gives it the dtypes decided."""

import json

import pytest

from qdebug.export import export, save
from qdebug.recipes import (
    LayerPlan,
    Recipe,
    parse_activation_format,
    parse_plan,
    parse_weight_format,
    preset,
    set_layers,
)
from tests.export.recipes import FLOAT

PER_CHANNEL = {"stem": 8, "dw": 8, "pw": 8, "head": 5}
INT8 = preset("w8a8-pc").default
ALL, NONE = dict.fromkeys(PER_CHANNEL, "int8"), dict.fromkeys(PER_CHANNEL, "float32")


@pytest.mark.parametrize(
    ("recipe", "x", "weights"),
    [
        (preset("w8a8-pc-all"), "int8", ALL),
        (set_layers(preset("w8a8-pc-all"), {"dw": FLOAT}), "int8", {**ALL, "dw": "float32"}),
        (set_layers(Recipe(), {"pw": INT8}), "int8", {**NONE, "pw": "int8"}),
        (set_layers(Recipe(), {"head": INT8}), "int8", {**NONE, "head": "int8"}),
        (preset("w8a8-pc-dyn"), "float32", ALL),
        (preset("w8a32"), "float32", ALL),
    ],
    ids=["all", "one float", "one layer", "the layer that writes the output", "dynamic", "weights only"],
)  # fmt: skip
def test_layers_get_their_dtypes(recipe, x, weights, run_tool, residual, tmp_path):
    document = export(residual, recipe, "litert")
    told = run_tool("litert", save(document, tmp_path), "tests.networks", "Residual", json.dumps([1, 3, 8, 8]))
    assert told["entries"] == len(json.loads(document.text))
    got = {name_of(one): one for one in told["layers"]}
    assert {name: one["weight"] for name, one in got.items()} == weights
    for name, one in got.items():
        if weights[name] == "int8":
            assert one["x"] == x
            assert one["scales"] == (
                PER_CHANNEL[name] if recipe.default.weight.granularity == "channel" or x == "int8" else 1
            )
        else:
            assert one["x"] == "float32"


def test_four_bits_with_a_scale_per_channel(run_tool, residual, tmp_path):
    plan = LayerPlan(parse_weight_format("int4-pc"), parse_activation_format("int8-tok"))
    document = export(residual, set_layers(Recipe(default=parse_plan("w32a32")), {"head": plan}), "litert")
    told = run_tool("litert", save(document, tmp_path), "tests.networks", "Residual", json.dumps([1, 3, 8, 8]))
    head = next(one for one in told["layers"] if one["op"] == "FULLY_CONNECTED")
    assert head["scales"] == 5


def name_of(told):
    """The layer by the last module's name in what it writes."""
    if told["writes"].startswith("serving_default"):
        return "head"
    return next(name for name in PER_CHANNEL if f"_{name};" in told["writes"])
