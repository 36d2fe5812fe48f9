"""ONNX files as sessions: other dtypes, fixed batches, several outputs, and operators that nobody knows."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from qdebug.errors import ModelError
from qdebug.recipes import Recipe
from qdebug.session import inspect
from qdebug.session import open as open_model

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = {"float": (TensorProto.FLOAT, np.float32), "float16": (TensorProto.FLOAT16, np.float16)}


def write(path, kind="float", batch="N", tail=(), outputs=("logits",), opset=17):
    """A convolution, a ReLU and a linear layer, and what a test puts behind them."""
    elem, dtype = KINDS[kind]
    rng = np.random.default_rng(0)

    def stored(name, *shape):
        return numpy_helper.from_array((rng.normal(size=shape) / 3).astype(dtype), name)

    make = helper.make_node
    nodes = [
        make("Conv", ["x", "conv.weight", "conv.bias"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"], name="relu"),
        make("GlobalAveragePool", ["b"], ["c"], name="pool"),
        make("Flatten", ["c"], ["d"], name="flat"),
        make("Gemm", ["d", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
        *tail,
    ]
    weights = [
        stored("conv.weight", 8, 3, 3, 3),
        stored("conv.bias", 8),
        stored("fc.weight", 5, 8),
        stored("fc.bias", 5),
    ]
    domains = sorted({node.domain for node in nodes})
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", elem, [batch, 3, 6, 6])],
        [helper.make_tensor_value_info(name, elem, None) for name in outputs], weights,
    )  # fmt: skip
    opsets = [helper.make_opsetid(domain, opset if not domain else 1) for domain in domains]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def inputs(kind="float", count=10):
    return np.random.default_rng(1).normal(size=(count, 3, 6, 6)).astype(KINDS[kind][1])


def outputs_of(session):
    return np.concatenate([session.output(Recipe(), batch).numpy() for batch in session.subject.eval_batches])


@pytest.mark.parametrize("kind", KINDS)
def test_float_outputs_are_the_runtimes(tmp_path, kind):
    path, x = write(tmp_path / "m.onnx", kind), inputs(kind)
    session = open_model(path, {"x": x})
    reference = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(outputs_of(session), reference, rtol=1e-4 if kind == "float" else 5e-3, atol=5e-3)
    found = session.evaluate("w8a8-pc-all")
    assert [row.name for row in found.layers] == ["conv", "fc"]
    assert min(row.output.sqnr_db for row in found.layers) > 25


def test_a_fixed_batch_is_padded_and_only_real_samples_count(tmp_path):
    x = inputs(count=10)
    fixed = open_model(write(tmp_path / "fixed.onnx", batch=4), {"x": x})
    free = open_model(write(tmp_path / "free.onnx"), {"x": x})
    np.testing.assert_allclose(outputs_of(fixed), outputs_of(free), rtol=1e-5, atol=1e-6)
    assert fixed.info().n_eval == 10


def test_the_first_output_is_scored_and_the_others_layers_are_there(tmp_path):
    tail = [helper.make_node("MatMul", ["d", "side.weight"], ["side"], name="side")]
    path = write(tmp_path / "m.onnx", tail=tail, outputs=("logits", "side"))
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((8, 2), np.float32), "side.weight"))
    onnx.save(proto, path)
    session = open_model(path, {"x": inputs()})
    assert [layer.name for layer in session.info().layers] == ["conv", "fc", "side"]
    assert outputs_of(session).shape == (10, 5)


def test_an_unknown_operator_is_named_and_the_rest_inspected(tmp_path):
    tail = [helper.make_node("Frobnicate", ["logits"], ["out"], name="strange", domain="com.example")]
    path = write(tmp_path / "m.onnx", tail=tail, outputs=("out",))
    info = inspect(path)
    assert [layer.name for layer in info.layers] == ["conv", "fc"]
    assert any("com.example::Frobnicate" in text and "strange" in text for text in info.not_understood)
    with pytest.raises(ModelError) as caught:
        open_model(path, {"x": inputs()})
    told = str(caught.value)
    for word in ("Frobnicate", "com.example", "strange", "opset 1"):
        assert word in told
    assert caught.value.do


def test_old_opsets_mean_what_they_meant(tmp_path):
    tail = [helper.make_node("Softmax", ["logits"], ["out"], name="softmax")]
    x = inputs()
    path = write(tmp_path / "m.onnx", tail=tail, outputs=("out",), opset=7)
    reference = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(outputs_of(open_model(path, {"x": x})), reference, rtol=1e-4, atol=1e-6)
