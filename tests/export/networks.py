"""Small ONNX models by hand, with what files have: branches, folded constants, shared weights, missing biases."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

_KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


def random(*shape: int, scale: float = 0.2, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def model(nodes, constants, inputs, outputs, opset=13, ir=8, **more) -> ModelProto:
    """A model; inputs and outputs are shapes by name, an input of indices is one whose name is ``tokens``."""

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.INT64 if name == "tokens" else TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "net", [value(*one) for one in inputs.items()], [value(*one) for one in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir, **more)


def residual(opset: int = 13) -> ModelProto:
    """Convolutions with a branch, a normalization to fold, pooling and a head."""
    node = helper.make_node
    nodes = [
        node("Conv", ["images", "w1", "b1"], ["c1"], "conv1", pads=[1] * 4),
        node("Relu", ["c1"], ["r1"], "relu1"),
        node("Conv", ["r1", "w2"], ["c2"], "conv2", pads=[1] * 4, group=2),
        node("BatchNormalization", ["c2", "gamma", "beta", "mean", "variance"], ["n2"], "norm2"),
        node("Add", ["n2", "r1"], ["sum"], "add"),
        node("Relu", ["sum"], ["r2"], "relu2"),
        node("MaxPool", ["r2"], ["pooled"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pooled", "w3", "b3"], ["c3"], "conv3"),
        node("GlobalAveragePool", ["c3"], ["mean3"], "average"),
        node("Flatten", ["mean3"], ["flat"], "flatten"),
        node("Gemm", ["flat", "w4", "b4"], ["scores"], "head", transB=1),
    ]
    constants = {
        "w1": random(8, 3, 3, 3), "b1": random(8), "w2": random(8, 4, 3, 3), "gamma": 1 + random(8, seed=1),
        "beta": random(8, seed=2), "mean": random(8, seed=3), "variance": 1 + random(8, seed=4) ** 2,
        "w3": random(12, 8, 1, 1), "b3": random(12), "w4": random(5, 12), "b4": random(5),
    }  # fmt: skip
    return model(nodes, constants, {"images": ["N", 3, 8, 8]}, {"scores": ["N", 5]}, opset)


def transposing(opset: int = 13) -> ModelProto:
    """A transposed convolution, one whose bias stands behind it, one without bias, and two outputs."""
    node = helper.make_node
    nodes = [
        node("ConvTranspose", ["images", "wt", "bt"], ["up"], "up", strides=[2, 2]),
        node("LeakyRelu", ["up"], ["bent"], "leaky", alpha=0.1),
        node("Conv", ["bent", "w"], ["c"], "conv", pads=[1] * 4),
        node("Add", ["c", "shift"], ["shifted"], "shift"),
        node("Conv", ["shifted", "wd"], ["out"], "depthwise", pads=[1] * 4, group=6),
        node("Sigmoid", ["shifted"], ["other"], "sigmoid"),
    ]
    constants = {
        "wt": random(3, 4, 2, 2), "bt": random(4), "w": random(6, 4, 3, 3), "shift": random(6, 1, 1),
        "wd": random(6, 1, 3, 3),
    }  # fmt: skip
    outputs = {"out": ["N", 6, 10, 10], "other": ["N", 6, 10, 10]}
    return model(nodes, constants, {"images": ["N", 3, 5, 5]}, outputs, opset)


def attention(opset: int = 17) -> ModelProto:
    """A table shared by an embedding and the head that turns it around, a normalization, products, a residual."""
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "tokens"], ["e"], "embed"),
        node("LayerNormalization", ["e", "scale", "shift"], ["n"], "norm", axis=-1),
        node("MatMul", ["n", "w1"], ["m1"], "up"),
        node("Add", ["m1", "b1"], ["a1"], "up_bias"),
        node("Relu", ["a1"], ["r1"], "relu"),
        node("MatMul", ["r1", "w2"], ["m2"], "down"),
        node("Add", ["m2", "e"], ["sum"], "residual"),
        node("Transpose", ["sum"], ["turned"], "turn", perm=[0, 2, 1]),
        node("MatMul", ["sum", "turned"], ["dots"], "dots"),
        node("Softmax", ["dots"], ["weights"], "softmax", axis=-1),
        node("MatMul", ["weights", "sum"], ["mixed"], "mix"),
        node("Transpose", ["table"], ["table_turned"], "turn_table", perm=[1, 0]),
        node("MatMul", ["mixed", "table_turned"], ["scores"], "head"),
    ]
    constants = {
        "table": random(20, 40, scale=0.5), "scale": 1 + random(40), "shift": random(40, seed=1), "w1": random(40, 48),
        "b1": random(48), "w2": random(48, 40),
    }  # fmt: skip
    return model(nodes, constants, {"tokens": ["N", 6]}, {"scores": ["N", 6, 20]}, opset)


def mlp(opset: int = 13) -> ModelProto:
    """Two Gemms, the weight of one in rows and of the other in columns, and a ReLU."""
    node = helper.make_node
    nodes = [
        node("Gemm", ["x", "w1", "b1"], ["g1"], "first"),
        node("Relu", ["g1"], ["r1"], "relu"),
        node("Gemm", ["r1", "w2", "b2"], ["scores"], "second", transB=1),
    ]
    constants = {"w1": random(40, 24), "b1": random(24), "w2": random(5, 24), "b2": random(1, 5)}
    return model(nodes, constants, {"x": ["N", 40]}, {"scores": ["N", 5]}, opset)


NETWORKS = {"residual": residual, "transposing": transposing, "attention": attention, "mlp": mlp}


def inputs_of(name: str, count: int = 8) -> dict[str, np.ndarray]:
    """Data for a network."""
    if name == "attention":
        return {"tokens": np.random.default_rng(1).integers(0, 20, (count, 6))}
    shape = {"residual": (3, 8, 8), "transposing": (3, 5, 5), "mlp": (40,)}[name]
    return {"x" if name == "mlp" else "images": random(count, *shape, scale=1.0, seed=7)}
