"""``quantize_static`` with our overrides quantizes the values that were decided, with the scales that were decided."""

import numpy as np
import pytest

from qdebug.export import export, save
from tests.export.recipes import RECIPES


def expected(decided, left=()):
    """Scale and zero point by value, for all that a recipe quantizes, as lists of float32."""
    tensors = [one for layer in decided.layers for one in (layer.weight, layer.activation)] + list(decided.points)
    return {
        one.name: (one.grid.scale.flatten().tolist(), one.grid.zero_point.flatten().tolist())
        for one in tensors
        if one.grid is not None and one.name not in left
    }


# What the file says it leaves out: a layer in groups; with signed codes, what nothing computes with.
LEFT = {"one-in-groups": ("w3", "r2"), "symmetric-all": ("y", "g")}


@pytest.mark.parametrize("name", RECIPES)
def test_it_quantizes_what_was_decided_as_it_was_decided(name, run_tool, network, tmp_path):
    model, data, session = network
    document = export(session, RECIPES[name], "onnxruntime")
    told = run_tool("onnxruntime", model, save(document, tmp_path), data, tmp_path / "quantized.onnx")
    biases = {key for key in told if key.startswith("b")}
    assert biases == ({"b1", "b2", "b4"} if RECIPES[name].bias == "int32" else set())
    wanted = expected(session.decided(RECIPES[name]), LEFT.get(name, ()))
    assert {key: (one["scale"], one["zero_point"]) for key, one in told.items() if key not in biases} == wanted
    for left in LEFT.get(name, ()):
        assert any(f"'{left}'" in one or "mix" in one for one in document.unsaid)


def test_biases_get_the_product_of_both_scales(run_tool, network, tmp_path):
    model, data, session = network
    told = run_tool("onnxruntime", model, save(export(session, "w8a8-pc-all", "onnxruntime"), tmp_path), data,
                    tmp_path / "quantized.onnx")  # fmt: skip
    layer = session.decided("w8a8-pc-all").layers[0]
    product = layer.activation.grid.scale * layer.weight.grid.scale.flatten()
    assert np.allclose(told["b1"]["scale"], product.tolist(), rtol=1e-6)
    assert told["b1"]["dtype"] == "int32"
