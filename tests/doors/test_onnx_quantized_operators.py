"""Operators on codes, and the fused ones of ONNX Runtime: the same codes, bit for bit, and numbers close by."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from qdebug.graph.layers import find_layers
from tests.doors.onnx_graphs import by_door, by_runtime, lowered, model

MICROSOFT = "com.microsoft"
SEEDS = range(6)


def held(node, inputs, constants=(), tolerance=0.0, opset=21):
    """Hold the door against the runtime: equal codes, numbers within a tolerance."""
    nodes = node if isinstance(node, list) else [node]
    outputs = [name for name in nodes[-1].output if name]
    proto = model(nodes, inputs, outputs, constants, opset)
    ours, theirs = by_door(proto, inputs), by_runtime(proto, inputs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        if one.dtype.kind in "ui" or not tolerance:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    return ours


def codes(rng, shape, kind):
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)


def scale(rng, shape=()):
    return rng.uniform(0.005, 0.05, shape).astype(np.float32)


def zero(rng, kind):
    return codes(rng, (), kind)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_quantizing_and_back(kind, axis):
    rng = np.random.default_rng(axis or 7)
    x = (rng.normal(size=(4, 4, 4)) * 60).astype(np.float32)
    shape = () if axis is None else (4,)
    given = {"s": scale(rng, shape), "z": codes(rng, shape, kind)}
    attributes = {} if axis is None else {"axis": axis}
    held(helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], **attributes), {"x": x}, given)
    held(helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], **attributes), {"x": codes(rng, (4, 4, 4), kind)},
         given)  # fmt: skip


def test_quantizing_rounds_half_to_even_before_the_zero_point_is_added():
    x = (np.arange(-20, 21) / 4).astype(np.float32)
    held(helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"]), {"x": x},
         {"s": np.float32(0.5), "z": np.uint8(3)})  # fmt: skip


def test_blocks_share_a_scale():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 8)).astype(np.float32)
    given = {"s": scale(rng, (3, 2)), "z": codes(rng, (3, 2), np.int8)}
    attributes = {"axis": 1, "block_size": 4}
    held(helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], **attributes), {"x": x}, given)


def test_the_scale_says_in_which_precision_is_divided():
    x = np.float32([0.3, 1.7, 100.3])
    proto = model([helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": x}, ["y"],
                  {"s": np.float16(0.1), "z": np.int16(0)}, opset=23)  # fmt: skip
    wanted = np.rint(x.astype(np.float16) / np.float16(0.1)).astype(np.int16)
    np.testing.assert_array_equal(by_door(proto, {"x": x})[0], wanted)


@pytest.mark.parametrize("shift", [0.0, 3.0, -3.0])
def test_dynamic_quantization(shift):
    x = (np.random.default_rng(2).normal(size=(5, 7)) + shift).astype(np.float32)
    held(helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"]), {"x": x})


@pytest.mark.parametrize("seed", SEEDS)
def test_convolutions_of_codes(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 2, 4]))
    kernel = rng.integers(1, 4, 2)
    x = codes(rng, (2, 4, 9, 8), np.uint8)
    kind = np.int8 if seed % 2 else np.uint8
    weight = codes(rng, (4, 4 // groups, *kernel), kind)
    attributes = {
        "strides": rng.integers(1, 3, 2).tolist(), "dilations": rng.integers(1, 3, 2).tolist(), "group": groups,
        "pads": rng.integers(0, 2, 4).tolist(),
    }  # fmt: skip
    weight_zero = np.zeros((), kind) if seed % 2 else zero(rng, kind)
    held(helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], **attributes), {"x": x},
         {"w": weight, "xz": zero(rng, np.uint8), "wz": weight_zero})  # fmt: skip
    each = seed % 2 == 1
    given = {
        "xs": scale(rng), "xz": zero(rng, np.uint8), "w": weight, "ws": scale(rng, (4,) if each else ()),
        "wz": np.zeros(4, kind) if each else weight_zero, "ys": np.float32(0.4), "yz": zero(rng, np.uint8),
        "b": rng.integers(-2000, 2000, 4).astype(np.int32),
    }  # fmt: skip
    held(helper.make_node("QLinearConv", ["x", *given], ["y"], **attributes), {"x": x}, given)


@pytest.mark.parametrize("channels", [1, 28, 29, 70])
def test_sums_of_convolutions_of_the_largest_codes_are_exact(channels):
    x = np.full((1, channels, 5, 5), 255, np.uint8)
    weight = np.full((2, channels, 3, 3), 255, np.uint8)
    weight[0, 0, 0, 0] = 254
    (total,) = held(helper.make_node("ConvInteger", ["x", "w"], ["y"]), {"x": x}, {"w": weight})
    assert total[0, :, 0, 0].tolist() == [255**2 * 9 * channels - 255, 255**2 * 9 * channels]


def test_sums_of_large_codes_are_exact():
    x = np.full((1, 4096), 255, np.uint8)
    weight = np.full((4096, 2), 127, np.int8)
    weight[0, 0] = 126
    (total,) = held(helper.make_node("MatMulInteger", ["x", "w"], ["y"]), {"x": x}, {"w": weight})
    assert total.tolist() == [[255 * 127 * 4096 - 255, 255 * 127 * 4096]]


@pytest.mark.parametrize("seed", SEEDS)
def test_matrix_products_of_codes(seed):
    rng = np.random.default_rng(seed)
    kind = np.int8 if seed % 2 else np.uint8
    a, b = codes(rng, (2, 5, 12), np.uint8), codes(rng, (12, 7), kind)
    given = {"az": zero(rng, np.uint8), "bz": zero(rng, kind)}
    held(helper.make_node("MatMulInteger", ["a", "b", "az", "bz"], ["y"]), {"a": a}, {"b": b, **given})
    given = {
        "as": scale(rng), "az": zero(rng, np.uint8), "b": b, "bs": scale(rng, (7,) if seed % 3 else ()),
        "bz": zero(rng, kind), "ys": np.float32(0.2), "yz": zero(rng, np.uint8),
    }  # fmt: skip
    if seed % 3:
        given["bz"] = codes(rng, (7,), kind)
    held(helper.make_node("QLinearMatMul", ["a", *given], ["y"]), {"a": a}, given)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_sums_and_products_of_codes(op, kind):
    rng = np.random.default_rng(3)
    given = {
        "as": scale(rng), "az": zero(rng, kind), "b": codes(rng, (1, 6, 1), kind), "bs": scale(rng),
        "bz": zero(rng, kind), "ys": np.float32(0.04), "yz": zero(rng, kind),
    }  # fmt: skip
    held(helper.make_node(op, ["a", *given], ["y"], domain=MICROSOFT), {"a": codes(rng, (5, 6, 40), kind)}, given)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
def test_functions_of_codes(op, kind):
    rng = np.random.default_rng(4)
    every = np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1).astype(kind)
    given = {"s": scale(rng), "z": zero(rng, kind), "ys": np.float32(0.02), "yz": zero(rng, kind)}
    attributes = {"alpha": 0.1} if op == "QLinearLeakyRelu" else {}
    held(helper.make_node(op, ["x", *given], ["y"], domain=MICROSOFT, **attributes), {"x": every}, given)


def test_softmax_of_codes_is_within_one_step():
    rng = np.random.default_rng(5)
    given = {"s": scale(rng), "z": np.uint8(120), "ys": np.float32(1 / 256), "yz": np.uint8(0)}
    x = codes(rng, (4, 9), np.uint8)
    node = helper.make_node("QLinearSoftmax", ["x", *given], ["y"], domain=MICROSOFT, axis=-1, opset=13)
    proto = model([node], {"x": x}, ["y"], given)
    ours, theirs = by_door(proto, {"x": x})[0], by_runtime(proto, {"x": x})[0]
    assert abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("counts", [0, 1])
def test_mean_pools_of_codes(counts):
    rng = np.random.default_rng(6)
    given = {"s": scale(rng), "z": np.uint8(90), "ys": scale(rng), "yz": np.uint8(110)}
    x = codes(rng, (2, 3, 7, 6), np.uint8)
    attributes = {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1], "count_include_pad": counts}
    node = helper.make_node("QLinearAveragePool", ["x", *given], ["y"], domain=MICROSOFT, **attributes)
    held(node, {"x": x}, given)
    held(helper.make_node("QLinearGlobalAveragePool", ["x", *given], ["y"], domain=MICROSOFT), {"x": x}, given)


def test_codes_of_different_scales_are_brought_to_one():
    rng = np.random.default_rng(7)
    given = {
        "ys": np.float32(0.03), "yz": np.uint8(100), "as": np.float32(0.02), "az": np.uint8(80),
        "bs": np.float32(0.05), "bz": np.uint8(130),
    }  # fmt: skip
    node = helper.make_node("QLinearConcat", ["ys", "yz", "a", "as", "az", "b", "bs", "bz"], ["y"], domain=MICROSOFT,
                            axis=1)  # fmt: skip
    held(node, {"a": codes(rng, (2, 3, 4), np.uint8), "b": codes(rng, (2, 5, 4), np.uint8)}, given)


@pytest.mark.parametrize("to_codes", [True, False])
def test_gemm_of_codes(to_codes):
    rng = np.random.default_rng(8)
    given = {
        "as": scale(rng), "az": zero(rng, np.uint8), "b": codes(rng, (7, 12), np.int8), "bs": scale(rng, (7,)),
        "bz": np.zeros(7, np.int8), "c": rng.integers(-900, 900, 7).astype(np.int32),
    }  # fmt: skip
    if to_codes:
        given |= {"ys": np.float32(0.3), "yz": np.uint8(128)}
    node = helper.make_node("QGemm", ["a", *given], ["y"], domain=MICROSOFT, transB=1)
    held(node, {"a": codes(rng, (5, 12), np.uint8)}, given, tolerance=1e-5)


def test_products_of_codes_as_numbers():
    rng = np.random.default_rng(9)
    given = {
        "b": codes(rng, (12, 7), np.int8), "as": scale(rng, (1,)), "bs": scale(rng, (7,)),
        "az": codes(rng, (1,), np.uint8),
        "bz": codes(rng, (7,), np.int8), "bias": rng.normal(size=7).astype(np.float32),
    }  # fmt: skip
    node = helper.make_node("MatMulIntegerToFloat", ["a", *given], ["y"], domain=MICROSOFT)
    held(node, {"a": codes(rng, (5, 12), np.uint8)}, given, tolerance=1e-5)
    given = {"b": given["b"], "bs": given["bs"], "bz": given["bz"], "bias": given["bias"]}
    node = helper.make_node("DynamicQuantizeMatMul", ["a", *given], ["y"], domain=MICROSOFT)
    held(node, {"a": rng.normal(size=(5, 12)).astype(np.float32)}, given, tolerance=1e-5)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_product_with_packed_weights_is_a_layer_with_the_unpacked_ones(bits, zeros):
    rng = np.random.default_rng(10)
    rows, columns, block = 6, 64, 32
    given = {
        "b": codes(rng, (rows, columns // block, block * bits // 8), np.uint8),
        "scales": scale(rng, (rows, columns // block)),
    }  # fmt: skip
    if zeros:
        given["zeros"] = codes(rng, (rows, columns // block * bits // 8), np.uint8)
    node = helper.make_node("MatMulNBits", ["x", *given], ["y"], name="proj", domain=MICROSOFT, N=rows, K=columns,
                            bits=bits, block_size=block)  # fmt: skip
    x = rng.normal(size=(3, columns)).astype(np.float32)
    held(node, {"x": x}, given, tolerance=1e-4)
    program = lowered(model([node], {"x": x}, ["y"], given))
    (layer,) = find_layers(program, {index: tuple(tensor.shape) for index, tensor in program.state.items()})
    assert (layer.name, program.state[layer.weight].shape) == ("proj", (rows, columns))


def numbers(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def fused(rng):
    """Fused operators: node, input, constants."""
    ln = {"gamma": numbers(rng, 8), "beta": numbers(rng, 8)}
    x = numbers(rng, 2, 5, 8)

    def node(op, *names, outputs=("y",), **attributes):
        return helper.make_node(op, list(names), list(outputs), name=op, domain=MICROSOFT, **attributes)

    yield node("Gelu", "x"), x, {}
    yield node("FastGelu", "x", "b"), x, {"b": numbers(rng, 8)}
    yield node("BiasGelu", "x", "b"), x, {"b": numbers(rng, 8)}
    yield node("QuickGelu", "x", alpha=1.3), x, {}
    yield node("SkipLayerNormalization", "x", "s", "gamma", "beta", "b", outputs=("y", "", "", "sum")), x, {
        "s": numbers(rng, 2, 5, 8), "b": numbers(rng, 8), **ln}  # fmt: skip
    yield node("SkipSimplifiedLayerNormalization", "x", "s", "gamma", outputs=("y", "", "", "sum")), x, {
        "s": numbers(rng, 2, 5, 8), "gamma": ln["gamma"]}  # fmt: skip
    yield helper.make_node("SimplifiedLayerNormalization", ["x", "gamma"], ["y"]), x, {"gamma": ln["gamma"]}
    yield node("FusedMatMul", "x", "w", transB=1), x, {"w": numbers(rng, 3, 8)}
    yield node("FusedMatMul", "x", "w", alpha=0.5, transA=1), x, {"w": numbers(rng, 2, 5, 3)}
    for name, parameters in (("Relu", ()), ("LeakyRelu", (0.2,)), ("Clip", (-0.5, 0.7)), ("HardSigmoid", (0.3, 0.4))):
        given = {"activation_params": list(parameters)} if parameters else {}
        yield node("FusedConv", "x", "w", "b", activation=name, pads=[1, 1, 1, 1], **given), numbers(rng, 1, 2, 5, 5), {
            "w": numbers(rng, 3, 2, 3, 3), "b": numbers(rng, 3)}  # fmt: skip
    angles = rng.uniform(0, 6, (9, 2)).astype(np.float32)
    yield node("RotaryEmbedding", "x", "p", "cos", "sin", interleaved=1), numbers(rng, 2, 2, 5, 4), {
        "p": np.int64([3]), "cos": np.cos(angles), "sin": np.sin(angles)}  # fmt: skip
    weights = {"w": numbers(rng, 8, 24), "b": numbers(rng, 24)}
    yield node("Attention", "x", "w", "b", num_heads=2, unidirectional=1), x, weights
    yield node("Attention", "x", "w", "b", "m", num_heads=2), x, {**weights, "m": np.int32([3, 5])}
    yield node("MultiHeadAttention", "x", "k", "v", num_heads=2), x, {
        "k": numbers(rng, 2, 7, 8), "v": numbers(rng, 2, 7, 8)}  # fmt: skip


FUSED = list(fused(np.random.default_rng(11)))


@pytest.mark.parametrize("place", range(len(FUSED)), ids=lambda place: f"{place}-{FUSED[place][0].op_type}")
def test_fused_operators(place):
    node, x, constants = FUSED[place]
    held(node, {"x": x}, constants, tolerance=2e-5)


@pytest.mark.parametrize("past", [0, 3])
def test_attention_of_groups_with_a_cache_and_turned_heads(past):
    rng = np.random.default_rng(12)
    batch, time, heads, shared, size = 1, 4 if not past else 1, 4, 2, 16
    angles = rng.uniform(0, 6, (16, size // 2)).astype(np.float32)
    given = {
        "k": numbers(rng, batch, time, shared * size), "v": numbers(rng, batch, time, shared * size),
        "pk": numbers(rng, batch, shared, past, size), "pv": numbers(rng, batch, shared, past, size),
        "last": np.full(batch, past + time - 1, np.int32), "total": np.array(past + time, np.int32),
        "cos": np.cos(angles), "sin": np.sin(angles),
    }  # fmt: skip
    names = list(given) if past else ["k", "v", "", "", "last", "total", "cos", "sin"]
    node = helper.make_node("GroupQueryAttention", ["x", *names], ["y", "nk", "nv"], domain=MICROSOFT, num_heads=heads,
                            kv_num_heads=shared, do_rotary=1)  # fmt: skip
    kept = {name: given[name] for name in names if name}
    held(node, {"x": numbers(rng, batch, time, heads * size)}, kept, tolerance=2e-5)


def test_embeddings_taken_apart_are_layers():
    rng = np.random.default_rng(13)
    given = {
        "words": numbers(rng, 11, 8), "places": numbers(rng, 6, 8), "segments": numbers(rng, 2, 8),
        "gamma": numbers(rng, 8), "beta": numbers(rng, 8),
    }  # fmt: skip
    inputs = {"ids": np.int32([[1, 10, 3]]), "kinds": np.int32([[0, 1, 1]]), "mask": np.int32([[1, 1, 0]])}
    node = helper.make_node("EmbedLayerNormalization", ["ids", "kinds", *given, "mask"], ["y", "count"],
                            domain=MICROSOFT)  # fmt: skip
    held(node, inputs, given, tolerance=2e-5)
