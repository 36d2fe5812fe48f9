"""The networks of the ONNX project's own test suite, with weights drawn at random, quantized by ONNX Runtime."""

import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
    "zfnet512",
)  # fmt: skip


def _drawn(rng, users, shape):
    """Values for a stored tensor by what reads it."""
    op, place = users[0]
    if op in ("Unsqueeze", "Reshape") and len(users) > 1:
        op, place = users[1]
    if op == "BatchNormalization":
        draw = {1: lambda: rng.uniform(0.7, 1.3, shape), 4: lambda: rng.uniform(0.7, 1.3, shape)}
        return draw.get(place, lambda: rng.normal(size=shape) * 0.1)()
    if op in ("Conv", "Gemm", "MatMul") and len(shape) > 1:
        gain = 2.0 if op == "Conv" else 1.0
        return rng.normal(size=shape) * np.sqrt(gain / np.prod(shape[1:]))
    if op == "Mul":
        return rng.uniform(0.7, 1.3, shape)
    return rng.normal(size=shape) * 0.05


def light_model(name, seed=0):
    """A network with random weights as stored tensors, at opset 13."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    rng = np.random.default_rng(seed)
    graph = model.graph
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    makers = {node.output[0]: node for node in graph.node if node.op_type == "ConstantOfShape"}
    users = {}
    for node in graph.node:
        for place, value in enumerate(node.input):
            users.setdefault(value, []).append((node.op_type, place, node))
    for value, maker in makers.items():
        found = [(op, place) for op, place, _ in users.get(value, [])]
        for op, _, node in users.get(value, []):
            if op == "Unsqueeze":
                found += [(inner, place) for inner, place, _ in users.get(node.output[0], [])]
        shape = tuple(int(size) for size in stored[maker.input[0]])
        if found:
            graph.initializer.append(numpy_helper.from_array(_drawn(rng, found, shape).astype(np.float32), value))
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    del graph.node[:]
    graph.node.extend(kept)
    read = {value for node in graph.node for value in node.input}
    for field in (graph.initializer, graph.input):
        used = [one for one in field if one.name in read]
        del field[:]
        field.extend(used)
    names = {one.name for one in graph.initializer}
    fed = [one for one in graph.input if one.name not in names]
    del graph.input[:]
    graph.input.extend(fed)
    model.ir_version = 8
    return version_converter.convert_version(model, 13)


def light_feeds(model, count, seed=1):
    """Random images, as many as asked for."""
    rng = np.random.default_rng(seed)
    value = model.graph.input[0]
    shape = [one.dim_value for one in value.type.tensor_type.shape.dim]
    return [{value.name: rng.normal(size=shape).astype(np.float32)} for _ in range(count)]


__all__ = ["NAMES", "helper", "light_feeds", "light_model", "warnings"]
