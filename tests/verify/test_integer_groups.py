"""Integer kernels stand where ONNX Runtime puts its own, and give the same codes."""

from collections import Counter

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from qdebug.doors.onnx import from_proto
from qdebug.verify.integer import compare, integer_file
from qdebug.verify.integer.kernels import OPERATORS

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = {"u8": np.uint8, "s8": np.int8, "s32": np.int32}
IMAGE, ROWS, TOKENS = (2, 4, 8, 8), (5, 16), (2, 5, 16)


class Sketch:
    """A graph with scales, from an input of a given shape."""

    def __init__(self, shape, free=False):
        self.rng = np.random.default_rng(0)
        self.nodes, self.stored, self.outputs = [], [], []
        self.shape, self.free = shape, free

    def const(self, value):
        self.stored.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.stored)}"))
        return self.stored[-1].name

    def op(self, op, *inputs, **attributes):
        inputs = [one if isinstance(one, str) else self.const(one) for one in inputs]
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n{name}", **attributes))
        return name

    def quantize(self, x, scale=0.03, zero=3, kind="u8"):
        return self.op("QuantizeLinear", x, np.float32(scale), KINDS[kind](zero))

    def read(self, x, scale=0.03, zero=3, kind="u8", **attributes):
        scale = np.asarray(scale, np.float32)
        return self.op("DequantizeLinear", x, scale, np.full(scale.shape, zero, KINDS[kind]), **attributes)

    def through(self, x, scale=0.03, zero=3, kind="u8"):
        return self.read(self.quantize(x, scale, zero, kind), scale, zero, kind)

    def weight(self, *shape, scale=0.005, zero=0, kind="s8", **attributes):
        limits = np.iinfo(KINDS[kind])
        codes = self.rng.integers(limits.min, limits.max + 1, shape).astype(KINDS[kind])
        return self.read(self.const(codes), scale, zero, kind, **attributes)

    def bias(self, count, scale):
        return self.read(self.const(self.rng.integers(-999, 999, count).astype(np.int32)), scale, 0, "s32", axis=0)

    def floats(self, *shape):
        return self.rng.normal(size=shape).astype(np.float32)

    def model(self):
        shape = ["N", *self.shape[1:]] if self.free else self.shape
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in self.outputs], self.stored,
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def agrees(sketch, *outputs):
    """Whether a graph has the runtime's kernels and codes; the kernels."""
    sketch.outputs = list(outputs)
    model, feeds = sketch.model(), {"x": sketch.floats(*sketch.shape)}
    found = compare(model, feeds)
    ours = Counter(node.op for node in integer_file(from_proto(model)).model.graph.nodes)
    theirs = Counter({op: count for op, count in found.kernels.items() if op in OPERATORS})
    assert found.disturbed == ()
    assert Counter({op: count for op, count in ours.items() if op in OPERATORS}) == theirs
    assert found.rows
    floats = not theirs and any(op in found.kernels for op in ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul"))
    allowed = 0.01 * found.elements if floats else 0  # float sums differ in their last bit
    assert found.total("integer").differing <= allowed
    return theirs


def product(op, sketch, x, wrong=1.0, bias="codes", close=True, kind="s8", zero=0, channels=True):
    """A layer with stored weights of eight outputs."""
    scale = np.float32(sketch.rng.uniform(0.002, 0.009, 8)) if channels else np.float32(0.004)
    axis = {"axis": 0 if op == "Conv" else 1} if channels else {}
    shape = (8, 4, 3, 3) if op == "Conv" else (16, 8)
    weight = sketch.weight(*shape, scale=scale, kind=kind, zero=zero, **axis)
    row = {"codes": lambda: sketch.bias(8, scale * np.float32(0.02 * wrong)), "floats": lambda: sketch.floats(8)}
    if op == "MatMul":
        y = sketch.op(op, x, weight)
        return sketch.op("Add", y, row[bias]()) if bias else y
    return sketch.op(op, x, weight, *([row[bias]()] if bias else []))


@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("bias", ["codes", "floats", None])
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("channels", [True, False])
def test_layers(op, bias, written, channels):
    sketch = Sketch(IMAGE if op == "Conv" else ROWS)
    y = product(op, sketch, sketch.through("x", 0.02), bias=bias, channels=channels)
    if not written:  # somebody has to write codes
        y = sketch.op("Neg", y)
    kernels = agrees(sketch, sketch.through(y, 0.05))
    assert bool(kernels) == (written or (op != "Conv" and bias != "floats" and not (op == "MatMul" and bias)) or
                             (op == "MatMul" and bias == "codes"))  # fmt: skip


@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("kinds", ["u8 s8 u8", "u8 u8 u8", "s8 s8 s8", "s8 u8 s8", "u8 s8 s8", "s8 s8 u8"])
def test_types(op, kinds):
    x, weights, y = kinds.split()
    sketch = Sketch(IMAGE if op == "Conv" else ROWS)
    value = product(op, sketch, sketch.through("x", 0.02, -5 if x == "s8" else 5, x), kind=weights, zero=4)
    agrees(sketch, sketch.through(value, 0.05, 0, y))


@pytest.mark.parametrize("op", ["Conv", "Gemm"])
@pytest.mark.parametrize("wrong", [1.000001, 1.005, 2.0])
def test_a_bias_whose_scale_is_not_that_of_the_products(op, wrong):
    sketch = Sketch(IMAGE if op == "Conv" else ROWS)
    agrees(sketch, sketch.through(product(op, sketch, sketch.through("x", 0.02), wrong=wrong), 0.05))


@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("act", ["Relu", "Clip", "LeakyRelu", "Sigmoid"])
def test_activations_before_the_scale(op, act, zero):
    sketch = Sketch(IMAGE if op == "Conv" else ROWS)
    y = product(op, sketch, sketch.through("x", 0.02))
    y = sketch.op(act, y, *((np.float32(0), np.float32(6)) if act == "Clip" else ()))
    agrees(sketch, sketch.through(y, 6 / 255 if act == "Clip" else 0.05, zero))


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("act", [None, "Relu", "Tanh"])
@pytest.mark.parametrize("shape", [ROWS, TOKENS])
def test_a_product_and_a_bias_of_tokens(shape, act, free):
    sketch = Sketch(shape, free)
    y = product("MatMul", sketch, sketch.through("x", 0.02), bias="floats")
    agrees(sketch, sketch.through(sketch.op(act, y) if act else y, 0.05, 0))


@pytest.mark.parametrize("op", ["Add", "Mul", "MatMul"])
@pytest.mark.parametrize("act", [None, "Relu"])
@pytest.mark.parametrize("zero", [0, 3])
def test_two_activations(op, act, zero):
    sketch = Sketch(IMAGE)
    a, b = sketch.through("x", 0.02), sketch.through(sketch.op("Neg", "x"), 0.03)
    y = sketch.op(op, a, b)
    agrees(sketch, sketch.through(sketch.op(act, y) if act else y, 0.04, zero))


def test_a_value_and_itself():
    sketch = Sketch(IMAGE)
    a = sketch.through("x", 0.02)
    agrees(sketch, sketch.through(sketch.op("Mul", a, a), 0.05), sketch.through(sketch.op("Add", a, a), 0.05))


UNARY = {
    "MaxPool": {"kernel_shape": [2, 2]}, "AveragePool": {"kernel_shape": [2, 2]}, "GlobalAveragePool": {},
    "Flatten": {}, "Transpose": {"perm": [0, 2, 3, 1]}, "LeakyRelu": {}, "Sigmoid": {}, "Softmax": {}, "Tanh": {},
    "Relu": {}, "HardSwish": {}, "DepthToSpace": {"blocksize": 2}, "GlobalMaxPool": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["u8", "s8"])
@pytest.mark.parametrize("same_scale", [True, False])
@pytest.mark.parametrize("op", UNARY)
def test_one_activation(op, same_scale, kind):
    sketch = Sketch(IMAGE)
    y = sketch.op(op, sketch.through("x", 0.02, 3, kind), **UNARY[op])
    agrees(sketch, sketch.through(y, *((0.02, 3) if same_scale else (0.013, 7)), kind))


@pytest.mark.parametrize("kind", ["u8", "s8"])
def test_concatenation_and_choice(kind):
    sketch = Sketch(IMAGE)
    a, b = sketch.through("x", 0.02, 3, kind), sketch.through(sketch.op("Neg", "x"), 0.03, 3, kind)
    first = sketch.through(sketch.op("Concat", a, b, axis=1), 0.03, 3, kind)
    second = sketch.op("Where", sketch.op("Greater", "x", np.float32(0)), a, b)
    agrees(sketch, first, sketch.through(second, 0.04, 1, kind))


MOVED = {
    "Reshape": (np.array([2, 8, 4, 8]),), "Transpose": (), "MaxPool": (), "Flatten": (), "Unsqueeze": (np.array([0]),),
    "Slice": (np.array([0]), np.array([2]), np.array([1])),
}  # fmt: skip


@pytest.mark.parametrize("where", ["before", "behind", "both"])
@pytest.mark.parametrize("op", MOVED)
def test_scales_move_across_what_moves_values(op, where):
    sketch = Sketch(IMAGE)
    attributes = {"kernel_shape": [2, 2]} if op == "MaxPool" else {}

    def moved(x):
        return sketch.op(op, x, *MOVED[op], **attributes)

    y = sketch.through("x", 0.02)
    y = moved(y) if where in ("before", "both") else y
    y = sketch.op("LeakyRelu", y)
    agrees(sketch, sketch.through(moved(y) if where != "before" and op != "Reshape" else y, 0.05))


def test_scales_do_not_move_where_somebody_else_reads():
    sketch = Sketch(IMAGE)
    x = sketch.through("x", 0.02)
    moved = sketch.op("Transpose", x)
    y = sketch.op("LeakyRelu", moved)
    turned = sketch.op("Transpose", sketch.op("Sigmoid", y))
    outputs = sketch.through(turned, 0.004), sketch.through(turned, 0.005), sketch.op("Sin", moved)
    agrees(sketch, sketch.through(y, 0.05), *outputs)


def test_weights_read_through_a_transpose():
    sketch = Sketch(ROWS)
    scale = np.float32(sketch.rng.uniform(0.002, 0.009, 8))
    weight = sketch.op("Transpose", sketch.weight(8, 16, scale=scale, axis=0), perm=[1, 0])
    assert agrees(sketch, sketch.through(sketch.op("MatMul", sketch.through("x", 0.02), weight), 0.05))


def test_what_is_read_as_floats_stays_floats():
    sketch = Sketch(IMAGE)
    weight = sketch.weight(4, 4, 1, 1)
    y = sketch.op("Conv", sketch.through("x", 0.02), weight)
    kernels = agrees(sketch, sketch.through(y, 0.05), y)
    assert not kernels
