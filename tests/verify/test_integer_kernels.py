"""Each integer kernel gives ONNX Runtime's codes, also for zero points at the ends and sums half-way between codes."""

import numpy as np
import pytest
from onnx import TensorProto

from tests.verify.single import ELEMS, KINDS, both, codes, grid, tying

pytestmark = pytest.mark.filterwarnings("ignore")
SEEDS = range(4)
kinds = pytest.mark.parametrize("kind", ["u8", "s8"])


def same(op, inputs, kind, **options):
    real, ours = both(op, inputs, ELEMS[np.dtype(KINDS[kind])], **options)
    assert ours.dtype == real.dtype
    np.testing.assert_array_equal(ours, real)


def every_pair(kind):
    first = np.arange(256).astype(np.uint8).view(KINDS[kind])
    return np.repeat(first, 256), np.tile(first, 256)


@kinds
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_pair_of_codes(op, kind, seed):
    rng = np.random.default_rng(seed)
    (a, b), (y_scale, y_zero) = every_pair(kind), grid(rng, kind)
    y_scale = y_scale * y_scale if op == "QLinearMul" else y_scale
    a_scale, b_scale = tying(rng, np.sqrt(y_scale) if op == "QLinearMul" else y_scale), tying(rng, y_scale)
    b_scale = y_scale / a_scale if op == "QLinearMul" else b_scale
    zeros = grid(rng, kind)[1], grid(rng, kind)[1]
    same(op, [a, a_scale, zeros[0], b, np.float32(b_scale), zeros[1], y_scale, y_zero], kind, fed=(0, 3))


@kinds
@pytest.mark.parametrize("shapes", [((256, 1), (256, 256)), ((256, 256), (256, 1)), ((1, 256), (256, 1)), ((), (256,))])
def test_sums_that_broadcast(kind, shapes):
    rng = np.random.default_rng(5)
    y_scale, y_zero = grid(rng, kind)
    scales, zeros = (tying(rng, y_scale), tying(rng, y_scale)), (grid(rng, kind)[1], grid(rng, kind)[1])
    a, b = (codes(rng, kind, *shape) for shape in shapes)
    inputs = [a, scales[0], zeros[0], np.asarray(b), scales[1], zeros[1], y_scale, y_zero]
    same("QLinearAdd", inputs, kind, fed=(0, 3))


CONVOLUTIONS = {
    "plain": ((8, 6, 3, 3), {"pads": [1, 1, 1, 1]}),
    "uneven": ((8, 6, 3, 2), {"pads": [0, 2, 1, 0], "strides": [2, 1]}),
    "dilated": ((5, 6, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    "groups": ((9, 2, 3, 3), {"group": 3}),
    "depthwise": ((6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
    "same": ((4, 6, 2, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "pointwise": ((16, 6, 1, 1), {}),
}  # fmt: skip


@pytest.mark.parametrize("layout", CONVOLUTIONS)
@pytest.mark.parametrize(("kind", "weights"), [("u8", "s8"), ("u8", "u8"), ("s8", "s8")])
@pytest.mark.parametrize("per_channel", [True, False])
def test_convolutions(layout, kind, weights, per_channel):
    rng = np.random.default_rng(len(layout))
    shape, attributes = CONVOLUTIONS[layout]
    x_scale, x_zero = grid(rng, kind)
    out = shape[0]
    weight_scale = np.float32(rng.uniform(0.001, 0.01, out)) if per_channel else np.float32(0.004)
    weight_zero = np.zeros(out if per_channel else (), np.int8) if weights == "s8" else np.uint8(77)
    if weights == "u8" and per_channel:
        weight_zero = np.full(out, 77, np.uint8)
    y_scale = np.float32(x_scale * np.ravel(weight_scale)[0] * 2 * rng.integers(100, 400))
    bias = rng.integers(-3000, 3000, out).astype(np.int32)
    inputs = [
        codes(rng, kind, 2, 6, 9, 8), x_scale, x_zero, codes(rng, weights, *shape), weight_scale, weight_zero, y_scale,
        grid(rng, kind)[1], bias,
    ]  # fmt: skip
    same("QLinearConv", inputs, kind, **attributes)


def test_pair_sums_do_not_saturate():
    """Products that would leave 16 bits two by two: the processors without dot-product instructions lose them."""
    x, weight = np.full((1, 64, 4, 4), 255, np.uint8), np.full((8, 64, 3, 3), 127, np.int8)
    one, zero = np.float32(1), np.uint8(0)
    y_scale = np.float32(255 * 127 * 64 * 9 / 250)
    inputs = [x, one, zero, weight, one, np.int8(0), y_scale, zero]
    real, ours = both("QLinearConv", inputs, TensorProto.UINT8, pads=[1, 1, 1, 1])
    assert ours.max() == 250
    if real.max() != 250:
        pytest.skip("this processor saturates pair sums")
    np.testing.assert_array_equal(ours, real)


@pytest.mark.parametrize(("kind", "weights"), [("u8", "s8"), ("u8", "u8"), ("s8", "s8")])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("depth", [7, 300, 5000])
def test_matrix_products(kind, weights, per_channel, depth):
    rng = np.random.default_rng(depth)
    (x_scale, x_zero), columns = grid(rng, kind), 12
    weight_scale = np.float32(rng.uniform(0.001, 0.01, columns)) if per_channel else np.float32(0.004)
    weight_zero = np.zeros(columns if per_channel else (), KINDS[weights])
    y_scale = np.float32(x_scale * np.ravel(weight_scale)[0] * 2 * rng.integers(20, 90) * np.sqrt(depth))
    x, weight, y_zero = codes(rng, kind, 3, depth), codes(rng, weights, depth, columns), grid(rng, kind)[1]
    bias = rng.integers(-3000, 3000, columns).astype(np.int32)
    factors = [x, x_scale, x_zero, weight, weight_scale, weight_zero]
    same("QLinearMatMul", [*factors, y_scale, y_zero], kind)
    same("QGemm", [*factors, bias, y_scale, y_zero], kind)
    turned = [x, x_scale, x_zero, np.ascontiguousarray(weight.T), weight_scale, weight_zero]
    same("QGemm", [*turned, None, y_scale, y_zero], kind, transB=1)
    for op, inputs in (
        ("QGemm", [*factors, bias]),
        ("MatMulIntegerToFloat", [x, weight, x_scale, weight_scale, x_zero, weight_zero]),
        ("MatMulIntegerToFloat", [x, weight, x_scale, weight_scale, x_zero, weight_zero, np.float32(bias)]),
    ):
        real, ours = both(op, inputs, TensorProto.FLOAT)
        np.testing.assert_array_equal(ours, real)


POOLS = {
    "plain": {"kernel_shape": [3, 2]},
    "padded": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
    "counted": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    "uneven": {"kernel_shape": [2, 4], "pads": [0, 3, 1, 0]},
    "whole": {"kernel_shape": [7, 6]},
    "last": {"kernel_shape": [2, 2], "channels_last": 1},
}


@kinds
@pytest.mark.parametrize("layout", POOLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_averages_of_windows(kind, layout, seed):
    rng = np.random.default_rng(seed)
    scale, zero = grid(rng, kind)
    y_scale = np.float32(tying(rng, scale) / np.prod(POOLS[layout]["kernel_shape"]) * 4)
    inputs = [codes(rng, kind, 2, 37, 7, 6), scale, zero, y_scale, grid(rng, kind)[1]]
    same("QLinearAveragePool", inputs, kind, **POOLS[layout])


@kinds
@pytest.mark.parametrize("last", [0, 1])
def test_averages_of_images(kind, last):
    rng = np.random.default_rng(last)
    for height, width in ((1, 1), (4, 4), (7, 7), (3, 5)):
        scale, zero = grid(rng, kind)
        y_scale = np.float32(tying(rng, scale) / (height * width) * 2)
        inputs = [codes(rng, kind, 3, 40, height, width), scale, zero, y_scale, grid(rng, kind)[1]]
        same("QLinearGlobalAveragePool", inputs, kind, channels_last=last)


@kinds
@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
@pytest.mark.parametrize("seed", SEEDS)
def test_functions_of_every_code(kind, op, seed):
    rng = np.random.default_rng(seed)
    (scale, zero), every = grid(rng, kind), every_pair(kind)[0][::256]
    y_scale = np.float32(1 / 256) if op == "QLinearSigmoid" else tying(rng, scale)
    options = {} if op == "QLinearSigmoid" else {"alpha": 0.25}
    same(op, [every, scale, zero, y_scale, grid(rng, kind)[1]], kind, **options)


@kinds
@pytest.mark.parametrize("count", [1, 3, 32, 100, 1000])
@pytest.mark.parametrize("y_scale", [1 / 256, 1 / 255, 0.004, 0.0007])
def test_softmax(kind, count, y_scale):
    rng = np.random.default_rng(count)
    scale, zero = grid(rng, kind)
    rows = codes(rng, kind, 300, count)
    inputs = [rows, scale, zero, np.float32(y_scale), KINDS[kind](np.iinfo(KINDS[kind]).min)]
    same("QLinearSoftmax", inputs, kind, axis=-1, opset=13)


@kinds
@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_over_another_axis_and_over_all_axes_behind_one(kind, axis):
    rng = np.random.default_rng(axis)
    scale, zero = grid(rng, kind)
    inputs = [codes(rng, kind, 4, 5, 6), scale, zero, np.float32(1 / 256), KINDS[kind](0)]
    same("QLinearSoftmax", inputs, kind, axis=axis, opset=13)
    same("QLinearSoftmax", inputs, kind, axis=axis, opset=11)


@kinds
def test_codes_put_side_by_side(kind):
    rng = np.random.default_rng(0)
    y_scale, y_zero = grid(rng, kind)
    every = every_pair(kind)[0][::256]
    for _ in range(5):
        parts = [every, tying(rng, y_scale), grid(rng, kind)[1], every, y_scale, y_zero]
        same("QLinearConcat", [y_scale, y_zero, *parts], kind, fed=(2, 5), axis=0)


@kinds
def test_codes_chosen_by_a_condition(kind):
    rng = np.random.default_rng(0)
    z_scale, z_zero = grid(rng, kind)
    for _ in range(5):
        x, y = codes(rng, kind, 500), codes(rng, kind, 500)
        inputs = [
            rng.random(500) < 0.5, x, tying(rng, z_scale), grid(rng, kind)[1], y, tying(rng, z_scale),
            grid(rng, kind)[1], z_scale, z_zero,
        ]  # fmt: skip
        same("QLinearWhere", inputs, kind, fed=(0, 1, 4))
