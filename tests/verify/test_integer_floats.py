"""Float operators in the integer program have the last bit of ONNX Runtime's.

That is promised for processors with AVX2 and fused multiply-add (x86-64 since 2013). Elsewhere the runtime adds in
another order, without fusing, so that only the bound ``NEAR`` holds, relative to the largest number of a row.
"""

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from qdebug.quantize import integer
from qdebug.verify.integer import compare
from tests.verify.networks import Network, quantized
from tests.verify.single import by_kernels, session

SAME = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
NEAR = 4e-6
FUNCTIONS = {"Erf": {}, "Tanh": {}, "Sigmoid": {}, "Gelu": {}, "Gelu by tanh": {"approximate": "tanh"}}
NORMS = {"LayerNormalization": True, "LayerNormalization without bias": False, "RMSNormalization": False}
few = settings(max_examples=40, deadline=None)
widths = st.integers(1, 1000) | st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


def check(op, x, rows=(), opset=23, **attributes):
    """Hold one operator's output against the runtime's."""
    names = ["x", *(f"row{place}" for place in range(len(rows)))]
    graph = helper.make_graph(
        [helper.make_node(op.split()[0], names, ["y"], **attributes)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(row, name) for name, row in zip(names[1:], rows, strict=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    ours, real = by_kernels(model, {"x": x}), session(model).run(None, {"x": x})[0]
    assert ours.dtype == real.dtype == np.float32
    assert ours.shape == real.shape
    if SAME:
        np.testing.assert_array_equal(np.ascontiguousarray(ours).view(np.int32), real.view(np.int32))
    else:
        np.testing.assert_allclose(ours, real, rtol=NEAR, atol=NEAR * float(np.nanmax(np.abs(real), initial=0)))


def drawn(seed, *shape):
    """Numbers about any mean with any spread, of which some are codes times a scale."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 10 ** rng.uniform(-2, 2) + rng.normal() * 10 ** rng.uniform(-2, 1)
    return (np.round(x) * 0.037 if seed % 2 else x).astype(np.float32)


@few
@given(st.sampled_from(list(NORMS)), widths, seeds)
def test_normalizations(op, width, seed):
    rows = [drawn(seed + 1, width), drawn(seed + 2, width)][: 2 if NORMS[op] else 1]
    check(op, drawn(seed, 23, width), rows, epsilon=1e-5)


@pytest.mark.parametrize("op", NORMS)
@pytest.mark.parametrize("width", range(1, 34))
def test_normalizations_of_every_short_row(op, width):
    rows = [drawn(1, width), drawn(2, width)][: 2 if NORMS[op] else 1]
    check(op, drawn(width, 40, width), rows)


def test_normalizations_over_several_axes():
    rows = [drawn(1, 5, 7), drawn(2, 5, 7)]
    check("LayerNormalization", drawn(0, 3, 4, 5, 7), rows, axis=2, epsilon=1e-6)
    check("RMSNormalization", drawn(0, 3, 4, 5, 7), rows[:1], axis=-2)


@few
@given(widths, seeds)
def test_softmax(width, seed):
    check("Softmax", drawn(seed, 23, width), axis=-1)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax_along_any_axis(axis, opset):
    check("Softmax", drawn(4, 5, 6, 7), opset=opset, axis=axis)


def test_a_softmax_with_what_is_masked():
    x = drawn(2, 4, 50)
    x[0, 10:], x[1, ::2], x[2] = -np.inf, -1e30, np.linspace(0, -110, 50)
    check("Softmax", x)


@few
@given(st.sampled_from(list(FUNCTIONS)), st.integers(1, 5000), seeds)
def test_functions(op, count, seed):
    check(op, drawn(seed, count), **FUNCTIONS[op])


@pytest.mark.parametrize("op", FUNCTIONS)
def test_functions_everywhere(op):
    bits = np.arange(0, 2**32, 2**32 // 100003, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    edges = np.float32([0.921875, 3.925, 9, 18, 88.376, 104]).repeat(3)
    edges[::3], edges[2::3] = np.nextafter(edges[::3], np.float32(0)), np.nextafter(edges[2::3], np.float32(1e9))
    x = np.concatenate([x[np.isfinite(x)], edges, -edges, edges * np.float32(np.sqrt(2)), [np.inf, 0, -0.0]])
    check(op, x.astype(np.float32), **FUNCTIONS[op])


def test_other_types_are_computed_as_usual():
    x = drawn(0, 4, 8).astype(np.float64)
    node = helper.make_node("Softmax", ["x"], ["y"])
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.DOUBLE, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    np.testing.assert_allclose(by_kernels(model, {"x": x}), session(model).run(None, {"x": x})[0], rtol=1e-12)


@pytest.mark.parametrize(("lanes", "digest"), [(8, 2761617170), (16, 1564451462)])
def test_a_softmax_on_processors_with_avx2_and_with_avx512(lanes, digest):
    """Digests of what ONNX Runtime 1.31.1 gave, the first one while AVX-512 was hidden from it."""
    steps = -(np.arange(40 * 333) * 7919 % 100003).reshape(40, 333)
    x = torch.from_numpy((steps * np.float32(0.0011)).astype(np.float32))
    found = integer.float_softmax(x, lanes)
    assert zlib.crc32(found.numpy().tobytes()) == digest
    torch.testing.assert_close(found, x.softmax(-1), rtol=1e-5, atol=1e-37)


def deep(seed, width=40, blocks=6):
    """Normalization, a wide layer, GELU and a softmax, over and over: whatever differs once is amplified."""
    net = Network(seed, (4, 33, width))
    x = "x"
    for _ in range(blocks):
        scale = net.const((1 + 0.1 * net.rng.normal(size=width)).astype(np.float32))
        y = net.op("LayerNormalization", x, scale, net.bias(width), axis=-1)
        y = net.op("Gelu", net.dense(y, width, 2 * width))
        y = net.dense(y, 2 * width, width)
        halved = net.op("Div", y, net.const(np.float32(0.7)))
        mixed = net.dense(net.op("Softmax", halved, axis=-1), width, width)
        x = net.op("Add", x, net.op("Add", y, mixed))
    return net, x


@pytest.mark.skipif(not SAME, reason="the runtime's last bits are known for processors with AVX2 only")
@pytest.mark.filterwarnings("ignore")
def test_every_code_is_the_runtime_s_through_a_deep_transformer(tmp_path):
    net, output = deep(1)
    model = quantized(net.model(output, opset=20), net.feeds(2, 3), tmp_path)
    found = compare(model, net.feeds(3)[0])
    assert found.kernels["LayerNormalization"] == 6
    assert found.kernels["Gelu"] == 6
    assert found.total("float").differing > 0
    assert (found.disturbed, found.missing) == ((), ())
    assert found.total("integer").differing == 0
