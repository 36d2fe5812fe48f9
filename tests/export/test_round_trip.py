"""An exported file computes what the session does: the same codes everywhere, the same output.

Read node by node by the ONNX door, and by ONNX Runtime without optimizations.
"""

import numpy as np
import onnx
import pytest
import torch

from qdebug.export import write_onnx
from qdebug.recipes import (
    LayerPlan,
    Recipe,
    TensorPlan,
    parse_activation_format,
    parse_weight_format,
    preset,
    set_layers,
)
from tests.export.networks import NETWORKS, inputs_of
from tests.export.running import by_door, by_runtime, simulated


def plan(weight: str, activation: str) -> Recipe:
    return Recipe(default=LayerPlan(parse_weight_format(weight), parse_activation_format(activation)))


EVERYWHERE = {
    "w8a8": preset("w8a8"),
    "w8a8-pc": preset("w8a8-pc"),
    "w8a8-all": preset("w8a8-all"),
    "w8a8-pc-all": preset("w8a8-pc-all"),
    "w6a6-pc-all": preset("w6a6-pc-all"),
    "w3a4": preset("w3a4"),
    "w4g32a16": preset("w4g32a16"),
    "w4g16a8": preset("w4g16a8"),
    "affine weights": plan("int8-pc-affine", "int8"),
    "affine blocks, symmetric inputs": plan("int4g16-affine", "int8-sym"),
    "affine 4 bits per channel": plan("int4-pc-affine", "int16-sym"),
    "tiles": plan("int8b4x8", "int8"),
    "rounded down": plan("int8-pc-floor", "int8"),
    "16 bits": plan("int16-pc", "int16"),
    "narrow": plan("int8_narrow", "int8_narrow-sym"),
    "float8": plan("fp8_e4m3fn-pc", "fp8_e4m3fn"),
    "float8 in blocks": plan("fp8_e5m2g16", "fp8_e5m2"),
    "bfloat16": plan("bf16", "bf16"),
    "halves of weights": plan("fp16", "int8"),
    "a table of levels": plan("nf4", "int8"),
    "a format of its own": plan("q4_0", "int8-sym"),
    "weights alone": plan("int8-pc", "fp32"),
    "inputs alone": plan("fp32", "int8"),
    "a range of each sample, symmetric": plan("int8", "int8-dyn-sym"),
    "a range of each sample, 6 bits": plan("int8", "int6-dyn"),
    "float8 at run time": plan("int8", "fp8_e4m3fn-dyn"),
}  # fmt: skip
OF_16_BITS = ("16 bits", "affine 4 bits per channel", "w4g32a16")
TOKENS = {
    "w8a8-tok": preset("w8a8-tok"),
    "w4g32a8-pc-tok": plan("int4g32", "int8-tok"),
    "symmetric tokens": plan("int8-pc", "int8-tok-sym"),
    "float8 tokens": plan("int8", "fp8_e5m2-tok"),
    "a table in codes": set_layers(preset("w8a8-pc-all"), {"embed": LayerPlan(parse_weight_format("int8-pc"))}),
    "a table in blocks": set_layers(preset("w8a8"), {"embed": LayerPlan(parse_weight_format("int4g16"))}),
    "a table in halves": set_layers(preset("w8a8"), {"embed": LayerPlan(parse_weight_format("fp16"))}),
}  # fmt: skip
CASES = [(network, title) for network in NETWORKS for title in EVERYWHERE]
CASES += [
    (network, title)
    for network in ("attention", "mlp")
    for title in TOKENS
    if network == "attention" or "table" not in title
]


def codes_of(values: torch.Tensor, grid) -> torch.Tensor:
    return torch.round(values / grid.scale) + grid.zero_point


@pytest.mark.parametrize(("network", "title"), CASES)
def test_the_file_computes_what_the_session_does(opened, tmp_path, network, title):
    session, _ = opened(network)
    recipe, data = {**EVERYWHERE, **TOKENS}[title], inputs_of(network)
    path = tmp_path / "out.onnx"
    done = write_onnx(session, recipe, path)
    expected, found = simulated(session, recipe), by_door(path, data)
    for point in session.decided(recipe).points:
        name = done.renamed.get(point.name, point.name)
        values = found.get(f"{name}/dequantized", found[name])
        differ = codes_of(values, point.grid) != codes_of(expected[point.name], point.grid)
        assert not differ.any(), f"{point.name}: {int(differ.sum())} of {differ.numel()} codes"
    outputs = [one.name for one in onnx.load(path).graph.output]
    for name, values in zip(outputs, by_runtime(path, data), strict=True):
        want = expected[name].numpy()
        size = np.abs(want).max()
        np.testing.assert_allclose(found[name].numpy(), want, atol=1e-5 * size, rtol=0)
        # Sums in another order may move an input of 16 bits by a step.
        slack = 1e-4 if title in OF_16_BITS else 1e-5
        np.testing.assert_allclose(values, want, atol=slack * size, rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_range_taken_at_run_time_is_the_simulations_at_batch_size_one(opened, tmp_path, network):
    session, _ = opened(network)
    recipe, path = preset("w8a8-dyn"), tmp_path / "out.onnx"
    done = write_onnx(session, recipe, path)
    assert any("each sample in the simulation" in sentence for sentence in done.unsaid)
    expected = simulated(session, recipe)
    outputs = [one.name for one in onnx.load(path).graph.output]
    for row in range(4):
        data = {name: array[row : row + 1] for name, array in inputs_of(network).items()}
        for name, values in zip(outputs, by_runtime(path, data), strict=True):
            want = expected[name][row : row + 1].numpy()
            np.testing.assert_allclose(values, want, atol=2e-5 * np.abs(want).max(), rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_in_float16_run_in_float16(opened, tmp_path, network):
    session, _ = opened(network)
    path = tmp_path / "out.onnx"
    done = write_onnx(session, preset("w16a16"), path)
    assert any("float16" in sentence for sentence in done.unsaid)
    kinds = {one.name: one.data_type for one in onnx.load(path).graph.initializer}
    stored = [
        kinds.get(node.input[1]) for node in onnx.load(path).graph.node if node.op_type in ("Conv", "MatMul", "Gemm")
    ]
    assert onnx.TensorProto.FLOAT16 in stored
    expected = simulated(session, preset("w16a16"))
    outputs = [one.name for one in onnx.load(path).graph.output]
    for name, values in zip(outputs, by_runtime(path, inputs_of(network)), strict=True):
        want = expected[name].numpy()
        np.testing.assert_allclose(values, want, atol=4e-3 * np.abs(want).max(), rtol=0)


def test_what_onnx_has_no_word_for_is_said(opened, tmp_path):
    session, _ = opened("mlp")
    done = write_onnx(session, plan("nf4", "mxfp4"), tmp_path / "out.onnx")
    assert any("nf4" in sentence and "float32" in sentence for sentence in done.unsaid)
    assert any("mxfp4" in sentence and "stays in float" in sentence for sentence in done.unsaid)
    done = write_onnx(session, plan("int5", "int8-away"), tmp_path / "out.onnx")
    assert any("5 bits are stored in 8 bits" in sentence for sentence in done.unsaid)
    assert any("rounds otherwise" in sentence for sentence in done.unsaid)
    done = write_onnx(session, plan("int8-pc-fp16", "int8"), tmp_path / "out.onnx")
    assert any("Scales are stored in float32" in sentence for sentence in done.unsaid)


def test_layers_that_read_one_value_at_one_grid_share_a_pair(tmp_path):
    from onnx import helper

    import qdebug
    from tests.export.networks import model, random

    nodes = [helper.make_node("MatMul", ["x", f"w{at}"], [f"m{at}"], f"layer{at}") for at in range(3)]
    nodes.append(helper.make_node("Sum", ["m0", "m1", "m2"], ["scores"], "sum"))
    net = model(nodes, {f"w{at}": random(8, 4, seed=at) for at in range(3)}, {"x": ["N", 8]}, {"scores": ["N", 4]})
    onnx.save(net, tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data={"x": random(6, 8, scale=1.0)})
    other = LayerPlan(parse_weight_format("int8"), TensorPlan("int8", symmetric=False, clip=(-0.5, 0.5)))
    write_onnx(session, set_layers(preset("w8a8"), {"layer2": other}), tmp_path / "out.onnx")
    found = onnx.load(tmp_path / "out.onnx").graph.node
    assert [node.op_type for node in found].count("QuantizeLinear") == 2
    reads = {node.name: node.input[0] for node in found if node.op_type == "MatMul"}
    assert reads["layer0"] == reads["layer1"] != reads["layer2"]
