"""ONNX files with an input that is the same for every sample, and data for them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
SAMPLES, TOKENS, WIDTH, ANCHORS, CLASSES = 24, 6, 8, 9, 5


def write(path, kind, batch="N"):
    """A network that reads ``x`` and ``kind``: a ``threshold``, an attention ``mask`` or a table of ``anchors``."""
    nodes, inputs, weights = {"threshold": _threshold, "mask": _mask, "anchors": _anchors}[kind](batch)
    draw = np.random.default_rng(0)
    stored = [
        numpy_helper.from_array((draw.standard_normal(shape) / shape[-1] ** 0.5).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    graph = helper.make_graph(nodes, kind, inputs, [helper.make_tensor_value_info("y", FLOAT, None)], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def data(kind, count=SAMPLES):
    """Samples for :func:`write`, and the input that they share."""
    draw = np.random.default_rng(1)
    shape = (TOKENS, WIDTH) if kind == "mask" else (3, 6, 6)
    shared = {
        "threshold": np.array(0.25, np.float32),
        "mask": np.triu(np.full((TOKENS, TOKENS), -np.inf, np.float32), 1),
        "anchors": draw.standard_normal((ANCHORS, 4)).astype(np.float32),
    }[kind]
    return {"x": draw.standard_normal((count, *shape)).astype(np.float32), kind: shared}


def _input(name, *shape):
    return helper.make_tensor_value_info(name, FLOAT, shape)


def _threshold(batch):
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "conv.w"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        make("Sqrt", ["threshold"], ["root"]),  # a single number that is computed
        make("Sub", ["a", "root"], ["b"]),
        make("Relu", ["b"], ["c"]),
        make("GlobalAveragePool", ["c"], ["d"]),
        make("Flatten", ["d"], ["e"]),
        make("Gemm", ["e", "head.w"], ["y"], name="head", transB=1),
    ]
    # the number stands in front of the samples
    inputs = [_input("threshold"), _input("x", batch, 3, 6, 6)]
    return nodes, inputs, {"conv.w": (8, 3, 3, 3), "head.w": (CLASSES, 8)}


def _mask(batch):
    make = helper.make_node
    nodes = [
        *(make("MatMul", ["x", f"{one}.w"], [one], name=f"{one}") for one in "qkv"),
        make("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        make("MatMul", ["q", "kt"], ["scores"]),
        make("Add", ["scores", "mask"], ["masked"]),
        make("Softmax", ["masked"], ["weights"], axis=-1),
        make("MatMul", ["weights", "v"], ["mixed"]),
        make("MatMul", ["mixed", "head.w"], ["y"], name="head"),
    ]
    inputs = [_input("mask", TOKENS, TOKENS), _input("x", batch, TOKENS, WIDTH)]
    return nodes, inputs, {**{f"{one}.w": (WIDTH, WIDTH) for one in "qkv"}, "head.w": (WIDTH, CLASSES)}


def _anchors(batch):
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "conv.w"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"]),
        make("GlobalAveragePool", ["b"], ["c"]),
        make("Flatten", ["c"], ["d"]),
        make("Gemm", ["anchors", "embed.w", "embed.b"], ["e"], name="embed", transB=1),
        make("Transpose", ["e"], ["et"], perm=[1, 0]),
        make("MatMul", ["d", "et"], ["f"]),
        make("Gemm", ["f", "head.w"], ["y"], name="head", transB=1),
    ]
    inputs = [_input("x", batch, 3, 6, 6), _input("anchors", ANCHORS, 4)]
    weights = {"conv.w": (8, 3, 3, 3), "embed.w": (8, 4), "embed.b": (8,), "head.w": (CLASSES, ANCHORS)}
    return nodes, inputs, weights
