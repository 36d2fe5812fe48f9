"""A small network of ONNX operators and data for it, made anew where a test needs a file."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(path, odd=False, external=False):
    """Conv, Relu, global pooling, Gemm: ``x [N, 3, 8, 8]`` to ten classes; ``odd`` puts an unknown operator inside."""
    draw = np.random.default_rng(0)
    conv, head = draw.standard_normal((8, 3, 3, 3)) * 0.3, draw.standard_normal((10, 8))
    weights = {"conv.weight": conv, "conv.bias": np.zeros(8), "head.weight": head, "head.bias": np.zeros(10)}
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Frobnicate", ["c"], ["r"], name="odd", domain="com.example")
        if odd
        else helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "head.weight", "head.bias"], ["y"], name="head", transB=1),
    ]
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("com.example", 1)] if odd else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    more = {"save_as_external_data": True, "location": "net.weights", "size_threshold": 0} if external else {}
    onnx.save(model, path, **more)
    return path


def write_data(path, count=32):
    """Samples and labels for :func:`write_network`."""
    draw = np.random.default_rng(1)
    x = draw.standard_normal((count, 3, 8, 8)).astype(np.float32)
    np.savez(path, x=x, labels=draw.integers(0, 10, count))
    return path
