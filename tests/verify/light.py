"""The networks of the ONNX project's own test suite, with weights drawn at random."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, version_converter

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
    "zfnet512",
)  # fmt: skip
OPSET = 13


def light_model(name, seed=0):
    """A network whose constant weights are replaced by random ones, stored as tensors."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(seed)
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    users = defaultdict(list)
    for node in graph.node:
        for place, value in enumerate(node.input):
            users[value].append((node, place))
    for maker in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        found = users[maker.output[0]]
        if found:
            shape = tuple(int(size) for size in stored[maker.input[0]])
            if found[0][0].op_type == "Unsqueeze":  # scales and shifts of channels
                found = users[found[0][0].output[0]]
            values = _drawn(rng, found[0][0].op_type, found[0][1], shape).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(values, maker.output[0]))
        graph.node.remove(maker)
    _leave(graph.initializer, {value for node in graph.node for value in node.input})
    given = {one.name for one in graph.initializer}
    _leave(graph.input, {value for node in graph.node for value in node.input} - given)
    model.ir_version = 8
    return version_converter.convert_version(model, OPSET)


def _drawn(rng, op, place, shape):
    """Values of a size such that signals neither die out nor explode."""
    if (op == "BatchNormalization" and place in (1, 4)) or op == "Mul":
        return rng.uniform(0.7, 1.3, shape)
    if op == "BatchNormalization":
        return rng.normal(size=shape) * 0.1
    if op in ("Conv", "Gemm") and len(shape) > 1:
        return rng.normal(size=shape) * np.sqrt((2.0 if op == "Conv" else 1.0) / np.prod(shape[1:]))
    return rng.normal(size=shape) * 0.05


def _leave(field, names):
    kept = [one for one in field if one.name in names]
    del field[:]
    field.extend(kept)


def light_feeds(model, count, seed=1):
    """Random images."""
    rng, value = np.random.default_rng(seed), model.graph.input[0]
    shape = [one.dim_value for one in value.type.tensor_type.shape.dim]
    return [{value.name: rng.normal(size=shape).astype(np.float32)} for _ in range(count)]
