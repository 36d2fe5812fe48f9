"""NNCF quantizes exactly the layers that its file does not ignore, in ONNX and in OpenVINO."""

import json

import pytest

from qdebug.export import export, save
from tests.export.recipes import RECIPES

LAYERS = {"conv1": 8, "conv2": 8, "mix": 8, "head": 5}


@pytest.mark.parametrize(
    ("name", "ignored"),
    [("tensor", ()), ("channel", ()), ("symmetric", ()), ("one-float", ("conv2",)), ("one-in-groups", ("mix",))],
)
def test_it_leaves_the_ignored_layers_float(name, ignored, run_tool, network, tmp_path):
    model, data, session = network
    told = run_tool("nncf", model, save(export(session, RECIPES[name], "nncf"), tmp_path), data)
    scales = {layer: 0 if layer in ignored else count for layer, count in LAYERS.items()}
    if name == "tensor":
        scales = dict.fromkeys(LAYERS, 1)
    assert told["onnx"] == scales
    kinds = {layer.removesuffix("/WithoutBiases"): kind for layer, kind in told["openvino"].items()}
    assert kinds == {layer: "f32" if layer in ignored else "i8" for layer in LAYERS}


def test_a_name_that_the_model_lacks_is_refused_by_it(run_tool, network, tmp_path):
    model, data, session = network
    value = json.loads(export(session, RECIPES["one-float"], "nncf").text)
    value["ignored_scope"]["patterns"] = ["conv9(/WithoutBiases)?$"]
    (tmp_path / "wrong.json").write_text(json.dumps(value))
    with pytest.raises(AssertionError, match="conv9"):
        run_tool("nncf", model, tmp_path / "wrong.json", data)
