"""A network, data for it and a checkpoint whose every name was chosen by a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

WIDTH, CLASSES = 12, 4


def write_network(path: Path, names: Sequence[str], given: str) -> None:
    """Linear layers in a row, each with a ReLU: nodes, weights and values are called as the names say.

    Args:
        path: where to.
        names: of the layers.
        given: the input's name.
    """
    draw, nodes, weights, value = np.random.default_rng(0), [], [], given
    for place, name in enumerate(names):
        size = CLASSES if place == len(names) - 1 else WIDTH
        weight = draw.normal(size=(WIDTH, size)) * np.sqrt(2 / WIDTH)
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"{name}.weight"))
        nodes.append(helper.make_node("MatMul", [value, f"{name}.weight"], [f"{name} out"], name=name))
        value = f"{name} out"
        if size == WIDTH:
            nodes.append(helper.make_node("Relu", [value], [f"{name} relu"], name=f"{name} relu"))
            value = f"{name} relu"
    shapes = ((given, ["N", WIDTH]), (value, ["N", CLASSES]))
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    graph = helper.make_graph(nodes, names[0], [first], [last], weights, doc_string=names[1])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_data(path: Path, names: Sequence[str], given: str) -> None:
    """Two samples of a group for each name, with labels."""
    draw, count = np.random.default_rng(1), 2 * len(names)
    arrays = {given: draw.normal(size=(count, WIDTH)).astype(np.float32)}
    group = np.array([names[place % len(names)] for place in range(count)])
    np.savez(path, **arrays, labels=draw.integers(0, CLASSES, count), group=group)


def write_checkpoint(path: Path, names: Sequence[str]) -> None:
    """Tensors of these names, one of them with a value far from all others."""
    draw = np.random.default_rng(2)
    save_file({name: draw.normal(size=(16, 32)).astype(np.float32) for name in names}, path)
