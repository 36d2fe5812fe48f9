"""A small ONNX network with what integer runtimes fuse and join: a ReLU, an addition, an average."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, CLASSES, SIZE = 8, 5, 8


def write_onnx(path):
    """Two convolutions, the second added to its input; a matrix product; an average; a head. ``[N, 3, 8, 8]`` in."""
    draw = np.random.default_rng(0)

    def stored(name, *shape):
        return numpy_helper.from_array((0.3 * draw.standard_normal(shape)).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r1"], ["a"], name="add"),
        helper.make_node("Relu", ["a"], ["r2"], name="relu2"),
        helper.make_node("MatMul", ["r2", "w3"], ["m"], name="mix"),
        helper.make_node("GlobalAveragePool", ["m"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"], name="head", transB=1),
    ]
    weights = [
        stored("w1", CHANNELS, 3, 3, 3), stored("b1", CHANNELS), stored("w2", CHANNELS, CHANNELS, 3, 3),
        stored("b2", CHANNELS), stored("w3", SIZE, SIZE), stored("w4", CLASSES, CHANNELS), stored("b4", CLASSES),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CLASSES])], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def write_data(path, count=64):
    """Random inputs for it."""
    np.savez(path, x=np.random.default_rng(1).standard_normal((count, 3, SIZE, SIZE)).astype(np.float32))
