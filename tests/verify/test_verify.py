"""What ``qdebug verify`` says, on networks small enough to count by hand."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from qdebug.errors import RecipeError, UsageError
from qdebug.quantize import QParams, quantize
from qdebug.session import open as open_model
from qdebug.verify import integer_metric, measure_latency, verify
from tests.doors.test_quantized_files import quantized, residual

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    """Convolutions with a residual sum and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 6)

    def forward(self, x):
        one = torch.relu(self.first(x))
        return self.head(torch.relu(one + self.second(one)).mean((2, 3)))


@pytest.fixture(scope="module")
def session():
    torch.manual_seed(0)
    x = torch.randn(48, 3, 8, 8)
    model = Net().eval()
    with torch.no_grad():
        labels = model(x).argmax(1)
    return open_model(model, {"x": x.numpy(), "labels": labels.numpy()})


def test_integers_are_the_runtimes_code_for_code(session):
    found = verify(session, "w8a8-pc-all", simulation="integer")
    assert found.elements > 10_000
    assert [row.value for row in found.layers if row.integer.differing] == []
    assert found.max_code_difference == 0
    assert found.first_divergent_layer is None
    assert found.agreement == 1.0
    assert found.metric.simulated == found.metric.real
    assert found.float_layers == ()
    assert {"QLinearConv", "QLinearAdd", "QGemm"} <= set(found.kernels)


def test_the_float_simulation_fed_with_the_runtimes_inputs_is_a_code_apart_at_most(session):
    found = verify(session, "w8a8-pc-all")
    assert found.simulation == "float"
    assert max(row.fed.largest for row in found.layers) <= 1
    assert sum(row.fed.differing for row in found.layers) <= 5e-4 * found.elements
    assert found.agreement >= 0.995


def test_layers_that_run_in_floats_are_named(session):
    found = verify(session, "w8a8-pc")
    assert set(found.float_layers) <= {"first", "second", "head"}
    assert "second" in found.float_layers  # its output meets a sum that the recipe leaves in floats
    assert any("second" in text for text in found.findings)


def test_openvino_says_what_it_can(session):
    pytest.importorskip("openvino")
    found = verify(session, "w8a8-pc-all", runtime="openvino")
    assert found.layers == () and found.elements == 0
    assert any("shows no codes" in text for text in found.findings)
    assert found.agreement > 0.9


def test_pairs_that_saturate_are_counted(session):
    found = verify(session, "w8a8-pc-all")
    told = {one.layer: one for one in found.saturation}
    decided = session.decided("w8a8-pc-all")
    layer = decided.layers[-1]
    assert isinstance(layer.activation.grid, QParams)
    x = session.value("w8a8-pc-all", layer.layer.x, 8)
    codes = quantize(x, layer.activation.grid).numpy().astype(int)
    weights = quantize(layer.values, layer.weight.grid).numpy().astype(int)
    over = pairs = 0
    for sample in codes:
        for row in weights:
            for at in range(0, len(row) - 1, 2):
                total = sample[at] * row[at] + sample[at + 1] * row[at + 1]
                over += not -32768 <= total <= 32767
                pairs += 1
    assert (told["head"].pairs, told["head"].saturating) == (pairs, over)


def test_convolutions_count_pairs_along_channels(session):
    found = {one.layer: one for one in verify(session, "w8a8-pc-all").saturation}
    # 8 samples of 8 × 8 places, 8 outputs, 3 · 3 places of the kernel with 8 channels: 4 pairs each
    assert found["second"].pairs == 8 * 64 * 8 * 9 * 4
    # an odd number of products leaves one without a neighbour
    assert found["first"].pairs == 8 * 64 * 8 * (27 // 2)


def test_the_integer_metric_is_the_runtimes(session):
    real = verify(session, "w8a8-pc-all").metric.real
    assert integer_metric(session, "w8a8-pc-all").quantized == real


def test_latency_is_a_ratio_with_its_spread(session):
    found = measure_latency(session, "w8a8-pc-all", batch=8)
    assert found.ratio_low <= found.ratio <= found.ratio_high
    assert found.float_.low <= found.float_.median <= found.float_.high
    assert {"first", "second"} <= {row.name for row in found.layers}
    slower = found.finding.startswith("Slower than float")
    assert slower == (found.ratio_low > 1)


def test_an_unknown_runtime_lists_near_ones(session):
    with pytest.raises(UsageError, match="Did you mean onnxruntime"):
        verify(session, "w8a8", runtime="onnxruntim")


def test_a_recipe_that_does_not_fit_is_refused(session):
    with pytest.raises(RecipeError):
        verify(session, "w8a8-tok")


def test_padded_batches_do_not_count_as_predictions():
    torch.manual_seed(1)
    x = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    small = open_model(Net().eval(), {"x": x})
    assert verify(small, "w8a8-pc-all").n == 5


def made(path, nodes, stored, outputs, shape):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(
        nodes, "g", inputs, [helper.make_tensor_value_info(name, elem, None) for name, elem in outputs],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_the_first_output_of_real_numbers_is_scored(tmp_path):
    rng = np.random.default_rng(0)
    make = helper.make_node
    nodes = [
        make("MatMul", ["x", "w"], ["s"], name="mm"),
        make("ArgMax", ["s"], ["label"], axis=1, keepdims=0),
        make("Softmax", ["s"], ["p"], axis=1),
    ]
    outputs = [("label", TensorProto.INT64), ("p", TensorProto.FLOAT)]
    path = made(tmp_path / "m.onnx", nodes, {"w": rng.normal(size=(6, 4)).astype(np.float32)}, outputs, ["N", 6])
    x = rng.normal(size=(20, 6)).astype(np.float32)
    session = open_model(path, {"x": x, "labels": rng.integers(0, 4, 20)})
    assert session.info().task == "classification"
    found = verify(session, "w8a8-all")
    assert found.metric.name == "accuracy"
    assert found.metric.simulated == found.metric.real


def test_grouped_transposed_convolutions_have_int32_biases(tmp_path):
    rng = np.random.default_rng(0)
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "c.weight"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"]),
        make("ConvTranspose", ["b", "t.weight", "t.bias"], ["y"], name="up", group=2, strides=[2, 2]),
    ]
    stored = {
        "c.weight": rng.normal(size=(8, 3, 3, 3)),
        "t.weight": rng.normal(size=(8, 4, 2, 2)),
        "t.bias": rng.normal(size=8),
    }
    stored = {name: value.astype(np.float32) for name, value in stored.items()}
    path = made(tmp_path / "m.onnx", nodes, stored, [("y", TensorProto.FLOAT)], ["N", 3, 8, 8])
    session = open_model(path, {"x": rng.normal(size=(6, 3, 8, 8)).astype(np.float32)})
    found = verify(session, "w8a8-pc-all")
    assert found.metric.simulated > 30
    assert found.metric.simulated == pytest.approx(found.metric.real, abs=1e-3)


def test_a_quantized_file_is_held_against_itself(tmp_path):
    x = np.random.default_rng(1).normal(size=(32, 3, 8, 8)).astype(np.float32)
    residual(tmp_path / "float.onnx")
    source = quantized(tmp_path / "float.onnx", tmp_path / "source.onnx", "qdq", True, x)
    session = open_model(source, {"x": x})
    found = verify(session, session.own_recipe(), simulation="integer")
    assert found.bytes == source.stat().st_size
    assert found.max_code_difference == 0
    assert next(row.value for row in found.layers).startswith("x_")  # the file's own names
