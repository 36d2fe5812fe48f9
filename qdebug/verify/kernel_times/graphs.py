"""A model of one layer, made of its shape alone: random weights, random samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from qdebug.verify.kernel_times.shapes import Shape

OPSET = 21
X, Y = "x", "y"
SAMPLES = 4
"""Runs' worth of random data for ranges."""


def write(shape: Shape, path: Path) -> None:
    """Write a shape's float model: one node, and an addition where a product over several axes has a bias."""
    dice = np.random.default_rng(0)
    weight = dice.normal(size=shape.weight).astype(np.float32)
    held = [numpy_helper.from_array(weight, "w")]
    out = shape.weight[0] if shape.op == "Conv" else shape.weight[-1]
    if shape.bias:
        held.append(numpy_helper.from_array(dice.normal(size=out).astype(np.float32), "b"))
    bias = ["b"] if shape.bias else []
    if shape.op == "Conv":
        settings = {"strides": shape.strides, "dilations": shape.dilations, "pads": shape.pads, "group": shape.groups}
        nodes = [helper.make_node("Conv", [X, "w", *bias], [Y], name="layer", **settings)]
    elif shape.op == "Gemm":
        nodes = [helper.make_node("Gemm", [X, "w", *bias], [Y], name="layer")]
    elif shape.op == "Gather":
        nodes = [helper.make_node("Gather", ["w", X], [Y], name="layer")]
    elif shape.bias:
        nodes = [
            helper.make_node("MatMul", [X, "w"], ["product"], name="layer"),
            helper.make_node("Add", ["product", "b"], [Y], name="bias"),
        ]
    else:
        nodes = [helper.make_node("MatMul", [X, "w"], [Y], name="layer")]
    kind = TensorProto.INT64 if shape.op == "Gather" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info(X, kind, shape.x)],
        [helper.make_tensor_value_info(Y, TensorProto.FLOAT, None)], held,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


def data(shape: Shape) -> dict[str, np.ndarray]:
    """Random samples for it."""
    dice, size = np.random.default_rng(1), (SAMPLES * shape.x[0], *shape.x[1:])
    if shape.op == "Gather":
        return {X: dice.integers(0, shape.weight[0], size)}
    return {X: dice.normal(size=size).astype(np.float32)}


def feeds(path: Path, shape: Shape) -> dict[str, np.ndarray]:
    """What one run of a file of ours is given: random samples, or codes of zero where it takes codes."""
    given = onnx.load(path).graph.input[0]
    if given.name == X:
        return {X: data(shape)[X][: shape.x[0]]}
    kind = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    return {given.name: np.zeros(shape.x, kind)}


def without_doors(path: Path) -> None:
    """Cut the conversions at both ends off a quantized file of ours: it then takes and gives codes."""
    model = onnx.load(path)
    graph = model.graph
    zeros = {one.name: one.data_type for one in graph.initializer}
    first = next((node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == X), None)
    if first is not None and sum(X in node.input for node in graph.node) == 1:
        _rename(graph.input[0], first.output[0], zeros[first.input[2]])
        graph.node.remove(first)
    last = next((node for node in graph.node if node.op_type == "DequantizeLinear" and node.output[0] == Y), None)
    if last is not None and sum(last.input[0] in node.input for node in graph.node) == 1:
        _rename(graph.output[0], last.input[0], zeros[last.input[2]])
        graph.node.remove(last)
    onnx.save(model, path)


def _rename(value: onnx.ValueInfoProto, name: str, kind: int) -> None:
    """Another name and type of the same shape."""
    value.name, value.type.tensor_type.elem_type = name, kind


def empty(path: Path) -> None:
    """Write a model that does nothing: what a run takes by itself."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", [X], [Y], name="nothing")], "nothing",
        [info(X, TensorProto.FLOAT, [1])], [info(Y, TensorProto.FLOAT, [1])],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10), path)
