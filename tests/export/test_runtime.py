"""ONNX Runtime with all its optimizations takes an exported file into integer kernels, and gets the same numbers."""

import msgspec
import numpy as np
import pytest

from qdebug.export import write_onnx
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_weight_format, preset
from tests.export.networks import NETWORKS, inputs_of
from tests.export.running import ALL, by_runtime, operators, simulated


@pytest.mark.parametrize("name", ["w8a8-all", "w8a8-pc-all"])
def test_a_convolutional_network_runs_in_integers(opened, tmp_path, name):
    session, _ = opened("residual")
    write_onnx(session, preset(name), tmp_path / "out.onnx")
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("residual"), ALL, tmp_path / "optimized.onnx")
    used = operators(tmp_path / "optimized.onnx")
    assert {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm"} <= set(used)
    assert not {"Conv", "FusedConv", "Add", "Gemm", "GlobalAveragePool", "Relu"} & set(used)
    grid = session.decided(preset(name)).points[-1].grid
    steps = np.abs(found - simulated(session, preset(name))["scores"].numpy()) / grid.scale.item()
    assert steps.max() < 1.01  # an integer kernel may round a tie the other way
    assert (steps > 0.5).mean() < 0.05


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("w8a8-pc-all", "QLinearMatMul"), ("w8a8-pc", "MatMulIntegerToFloat"), ("w8a8-dyn", "DynamicQuantizeMatMul")],
)
def test_matrix_products_run_in_integers(opened, tmp_path, name, kernel):
    session, _ = opened("attention")
    write_onnx(session, preset(name), tmp_path / "out.onnx")
    by_runtime(tmp_path / "out.onnx", inputs_of("attention"), ALL, tmp_path / "optimized.onnx")
    used = operators(tmp_path / "optimized.onnx")
    assert kernel in used


def test_blocks_of_four_bits_run_as_such(opened, tmp_path):
    session, _ = opened("attention")
    done = write_onnx(session, preset("w4g16a32"), tmp_path / "out.onnx")
    assert any("accuracy_level" in sentence for sentence in done.unsaid)
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("attention"), ALL, tmp_path / "optimized.onnx")
    assert "MatMulNBits" in operators(tmp_path / "optimized.onnx")
    want = simulated(session, preset("w4g16a32"))["scores"].numpy()
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max(), rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_integer_layers_with_integer_biases_stay_the_simulations_when_optimized(opened, tmp_path, network):
    session, _ = opened(network)
    recipe = msgspec.structs.replace(preset("w8a8-pc"), bias="int32")
    write_onnx(session, recipe, tmp_path / "out.onnx")
    expected = simulated(session, recipe)
    for values in by_runtime(tmp_path / "out.onnx", inputs_of(network), ALL):
        want = next(e.numpy() for e in reversed(expected.values()) if e.shape == values.shape)
        if "scores" in expected:
            np.testing.assert_allclose(values, want, atol=1e-5 * np.abs(want).max(), rtol=0)


@pytest.mark.parametrize("weight", ["int8g16", "int4g16", "int8b4x8-affine"])
@pytest.mark.parametrize("activation", ["int8", "int8-sym"])
def test_blocks_before_integer_inputs_run_when_optimized(opened, tmp_path, weight, activation):
    session, _ = opened("attention")
    recipe = Recipe(default=LayerPlan(parse_weight_format(weight), parse_activation_format(activation)))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("attention"), ALL)
    want = simulated(session, recipe)["scores"].numpy()
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max(), rtol=0)


def test_a_float_bias_that_the_runtime_rounds_is_said(opened, tmp_path):
    session, _ = opened("residual")
    words = "rounds float biases"
    assert any(words in one for one in write_onnx(session, preset("w8a8"), tmp_path / "a.onnx").unsaid)
    assert not any(words in one for one in write_onnx(session, preset("w8a8-all"), tmp_path / "a.onnx").unsaid)


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "int16-sym", "int8-sym"])
def test_a_relu_before_a_quantized_input_is_not_lost(opened, tmp_path, name):
    session, _ = opened("mlp")
    recipe = Recipe(default=LayerPlan(parse_weight_format("int8-pc"), parse_activation_format(name)))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    want = simulated(session, recipe)["scores"].numpy()
    (found,) = by_runtime(tmp_path / "out.onnx", inputs_of("mlp"), ALL)
    np.testing.assert_allclose(found, want, atol=0.01 * np.abs(want).max(), rtol=0)
