"""Small float networks with random weights, and what ONNX Runtime's quantizer makes of them."""

from __future__ import annotations

import logging

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

TYPES = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}


class Network:
    """A graph in the making; every method adds nodes and returns the value they write."""

    def __init__(self, seed, shape, free_batch=False):
        self.rng = np.random.default_rng(seed)
        self.shape, self.free_batch = shape, free_batch
        self.nodes, self.stored = [], []

    def const(self, value):
        name = f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape, gain=1.4):
        scale = gain / np.sqrt(np.prod(shape[1:]))
        return self.const((self.rng.normal(size=shape) * scale).astype(np.float32))

    def bias(self, count):
        return self.const((self.rng.normal(size=count) * 0.1).astype(np.float32))

    def op(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op.lower()}_{name}", **attributes))
        return name

    def conv(self, x, into, out, size=3, stride=1, group=1, act="Relu", bias=True, pads=None, dilation=1):
        pads = [dilation * (size // 2)] * 4 if pads is None else pads
        inputs = [x, self.weight(out, into // group, size, size), *([self.bias(out)] if bias else [])]
        y = self.op(
            "Conv", *inputs, kernel_shape=[size, size], pads=pads, strides=[stride, stride], group=group,
            dilations=[dilation, dilation],
        )  # fmt: skip
        if act == "Clip":
            return self.op("Clip", y, self.const(np.float32(0)), self.const(np.float32(6)))
        return self.op(act, y) if act else y

    def dense(self, x, into, out):
        return self.op("Add", self.op("MatMul", x, self.weight(into, out)), self.bias(out))

    def model(self, output, opset=17):
        shape = ["N", *self.shape[1:]] if self.free_batch else self.shape
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], self.stored,
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)

    def feeds(self, seed, count=1):
        rng = np.random.default_rng(seed)
        return [{"x": rng.normal(size=self.shape).astype(np.float32)} for _ in range(count)]


def residual(seed, **options):
    """Residual blocks, a maximum and a global average pooling, and a linear layer."""
    net = Network(seed, (2, 3, 16, 16), **options)
    y = net.op("MaxPool", net.conv("x", 3, 16), kernel_shape=[2, 2], strides=[2, 2])
    for stride, into, out in ((1, 16, 16), (2, 16, 32)):
        branch = net.conv(net.conv(y, into, out, stride=stride), out, out, act=None)
        short = net.conv(y, into, out, 1, stride, act=None) if into != out else y
        y = net.op("Relu", net.op("Add", branch, short))
    y = net.op("Flatten", net.op("GlobalAveragePool", y))
    return net, net.op("Gemm", y, net.weight(10, 32), net.bias(10), transB=1)


def mobile(seed, act="Clip", **options):
    """27 convolutions, half of them depthwise, behind one another."""
    net = Network(seed, (2, 3, 32, 32), **options)
    y, channels = net.conv("x", 3, 16, stride=2, act=act), 16
    for block in range(13):
        wider = block in (3, 7)
        out = channels * 2 if wider else channels
        y = net.conv(y, channels, channels, group=channels, stride=2 if wider else 1, act=act)
        y, channels = net.conv(y, channels, out, 1, act=act), out
    y = net.op("AveragePool", y, kernel_shape=[4, 4])
    y = net.op("Reshape", y, net.const(np.array([-1, channels], np.int64)))
    return net, net.op("MatMul", y, net.weight(channels, 10))


def varied(seed, **options):
    """Uneven padding, dilation, groups, averages, tables, products, concatenation, softmax over channels."""
    net = Network(seed, (2, 3, 12, 12), **options)
    y = net.conv("x", 3, 8, act="LeakyRelu", pads=[0, 1, 2, 0])
    gate = net.conv(y, 8, 16, dilation=2, act="Sigmoid")
    plain = net.conv(y, 8, 16, group=4, act=None, bias=False)
    mean = net.op("AveragePool", y, kernel_shape=[3, 3], pads=[1] * 4)
    counted = net.op("AveragePool", y, kernel_shape=[2, 3], pads=[1, 1, 0, 1], count_include_pad=1)
    y = net.op("Concat", net.op("Mul", gate, plain), mean, counted, axis=1)
    y = net.op("Add", net.conv(y, 32, 32, 1, act=None), y)
    y = net.op("Softmax", net.op("Transpose", y, perm=[0, 2, 3, 1]), axis=-1)
    y = net.conv(net.op("Transpose", y, perm=[0, 3, 1, 2]), 32, 8, stride=2)
    y = net.op("Squeeze", net.op("GlobalAveragePool", y), net.const(np.array([2, 3], np.int64)))
    return net, net.op("Gemm", y, net.weight(8, 5), net.bias(5))


def transformer(seed, width=32, heads=4, **options):
    """One block: attention and a gated layer, with normalizations that stay in floats."""
    net = Network(seed, (2, 9, width), **options)

    def norm(x):
        scale = net.const((1 + 0.1 * net.rng.normal(size=width)).astype(np.float32))
        return net.op("LayerNormalization", x, scale, net.bias(width), axis=-1)

    def split(x, perm):
        sizes = net.const(np.array([0, 0, heads, width // heads], np.int64))
        return net.op("Transpose", net.op("Reshape", x, sizes), perm=perm)

    x = norm("x")
    q, v = (split(net.dense(x, width, width), [0, 2, 1, 3]) for _ in range(2))
    scores = net.op("MatMul", q, split(net.dense(x, width, width), [0, 2, 3, 1]))
    scores = net.op("Mul", scores, net.const(np.float32((width // heads) ** -0.5)))
    mixed = net.op("Transpose", net.op("MatMul", net.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    mixed = net.op("Reshape", mixed, net.const(np.array([0, 0, width], np.int64)))
    x = net.op("Add", "x", net.dense(mixed, width, width))
    inner = net.dense(norm(x), width, 2 * width)
    gated = net.op("Mul", inner, net.op("Sigmoid", inner))
    return net, net.op("Add", x, net.dense(gated, 2 * width, width))


NETWORKS = {"residual": residual, "mobile": mobile, "varied": varied, "transformer": transformer}


class Calibration(CalibrationDataReader):
    def __init__(self, feeds):
        self.left = iter(feeds)

    def get_next(self):
        return next(self.left, None)


def quantized(model, feeds, folder, activations="u8", weights="s8", per_channel=True, qdq=True, **extra):
    """A model as ONNX Runtime's static quantizer writes it."""
    source, target = folder / "float.onnx", folder / "quantized.onnx"
    onnx.save(model, source)
    logging.disable(logging.WARNING)  # it advises to prepare the model first
    try:
        quantize_static(
            source, target, Calibration(feeds), per_channel=per_channel, activation_type=TYPES[activations],
            weight_type=TYPES[weights], quant_format=QuantFormat.QDQ if qdq else QuantFormat.QOperator,
            extra_options=extra,
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(target)
