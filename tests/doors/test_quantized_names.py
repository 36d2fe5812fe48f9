"""The float graph of a quantized file keeps the names that people and graphs inside nodes read its values by."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from qdebug.doors.onnx import from_proto, unquantized
from qdebug.recipes import Recipe
from qdebug.session import open as open_model

make = helper.make_node
RNG = np.random.default_rng(0)
WEIGHTS = {"w": RNG.normal(size=(4, 4)), "s": 0.05, "v": RNG.normal(size=(4, 4))}
STORED = [numpy_helper.from_array(np.asarray(one, np.float32), name) for name, one in WEIGHTS.items()] + [
    numpy_helper.from_array(np.int8(0), "z"), numpy_helper.from_array(np.int8(RNG.integers(-90, 90, (4, 4))), "codes"),
    numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.float16(WEIGHTS["v"]), "half"),
]  # fmt: skip


def value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (None, 4))


def proto(nodes, outputs):
    graph = helper.make_graph(nodes, "g", [value("x")], [value(name) for name in outputs], STORED)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def rounded(name, result):
    """A pair around a value."""
    codes = f"{result}_codes"
    return [make("QuantizeLinear", [name, "s", "z"], [codes]), make("DequantizeLinear", [codes, "s", "z"], [result])]


def graph_of(nodes, outputs):
    plain, stored = unquantized(from_proto(proto(nodes, outputs)))
    return plain.model.graph, stored


def test_an_output_that_was_rounded_is_the_value_itself():
    graph, stored = graph_of([make("MatMul", ["x", "w"], ["y/float"], "mm"), *rounded("y/float", "y")], ["y"])
    assert [(node.op, node.outputs) for node in graph.nodes if node.op != "QuantizeLinear"] == [("MatMul", ("y",))]
    assert list(stored.values) == ["y"]


def test_two_names_of_one_value():
    nodes = [make("MatMul", ["x", "w"], ["m"], "mm"), *rounded("m", "y"), *rounded("m", "z_")]
    graph, _ = graph_of(nodes, ["y", "z_"])
    written = {node.outputs[0]: (node.op, node.inputs) for node in graph.nodes if node.op != "QuantizeLinear"}
    assert written == {"y": ("MatMul", ("x", "w")), "z_": ("Identity", ("y",))}


@pytest.mark.parametrize("outputs", [["m", "y"], ["y", "m"]])
def test_a_name_that_is_an_output_too_is_kept(outputs):
    graph, _ = graph_of([make("MatMul", ["x", "w"], ["m"], "mm"), *rounded("m", "y")], outputs)
    written = {node.outputs[0]: (node.op, node.inputs) for node in graph.nodes if node.op != "QuantizeLinear"}
    assert written == {"m": ("MatMul", ("x", "w")), "y": ("Identity", ("m",))}


def test_an_input_that_is_rounded_and_handed_out():
    graph, stored = graph_of(rounded("x", "y"), ["y"])
    assert (graph.nodes[-1].op, graph.nodes[-1].inputs) == ("Identity", ("x",))
    assert list(stored.values) == ["x"]


def branches(reads, weight):
    """An If whose branches read from around them."""

    def body(name, op):
        nodes = [make("MatMul", [reads, weight], [f"{name}m"]), make(op, [f"{name}m"], [name])]
        if weight == "codes":
            nodes[0].input[1] = f"{name}w"
            nodes.insert(0, make("DequantizeLinear", ["codes", "s", "z"], [f"{name}w"]))
        return helper.make_graph(nodes, name, [], [value(name)])

    return [
        make("ReduceMax", ["x"], ["most"], keepdims=0), make("Greater", ["most", "zero"], ["c"]),
        make("If", ["c"], ["y"], "choice", then_branch=body("then", "Relu"), else_branch=body("else", "Neg")),
    ]  # fmt: skip


BODIES = {
    "a rounded value": [make("MatMul", ["x", "w"], ["m"], "mm"), *rounded("m", "r"), *branches("r", "v")],
    "a dequantized weight": [
        make("DequantizeLinear", ["codes", "s", "z"], ["d"]), make("MatMul", ["x", "d"], ["m"], "mm"),
        *branches("m", "d"),
    ],
    "codes": [
        make("DequantizeLinear", ["codes", "s", "z"], ["d"]), make("MatMul", ["x", "d"], ["m"], "mm"),
        *branches("m", "codes"),
    ],
    "a weight of 16 bits": [
        make("Cast", ["half"], ["d"], to=TensorProto.FLOAT), make("MatMul", ["x", "d"], ["m"], "mm"),
        *branches("m", "d"),
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", BODIES)
def test_graphs_inside_nodes_read_what_they_did(tmp_path, what):
    """Without the names that they read, such files could not be opened."""
    onnx.save(proto(BODIES[what], ["y"]), tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    session = open_model(tmp_path / "m.onnx", {"x": x})
    own = session.own_recipe() or Recipe()
    (batch,) = session.subject.eval_batches
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = ort.InferenceSession(tmp_path / "m.onnx", options).run(None, {"x": x})[0]
    np.testing.assert_allclose(session.output(own, batch), wanted, rtol=1e-3, atol=1e-4)
