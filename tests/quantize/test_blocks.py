"""Microscaling formats, NVFP4 and their integer siblings."""

import math

import numpy as np
import pytest
import torch

from qdebug.formats import find
from qdebug.quantize import activation_quantizer, fake_quantize_activation, quantize_weight
from qdebug.quantize.blocks import block_absmax, block_grid
from qdebug.recipes import TensorPlan
from tests.quantize import microscaling
from tests.quantize.tensors import same_bytes

NAN, INF, LARGEST = math.nan, math.inf, 3.4028234663852886e38

# OCP MX 1.0: the shared scale is the largest power of two not above the block's largest magnitude, over the largest
# power of two of the element; what the element then cannot hold becomes its largest number (section 6.3). Largest
# numbers: E4M3 448, E5M2 57344 (5.3.1), E2M3 7.5, E3M2 28 (5.3.2), E2M1 6 (5.3.3); INT8 counts in 2^−6 (5.3.4).
BY_HAND = [
    # 5 gives 2^(2 − 2) = 1; every half-way value between two E2M1 numbers goes to the one with an even mantissa
    ("mxfp4", [5.0, -0.25, 0.75, 1.25, 1.75, -2.5, 3.5], 1.0, [4.0, 0.0, 1.0, 1.0, 2.0, -2.0, 4.0]),
    # 7.9 still gives 1, and saturates; 8 gives 2
    ("mxfp4", [7.9, -7.0, 0.3], 1.0, [6.0, -6.0, 0.5]),
    ("mxfp4", [8.0, -7.0, 0.3, 0.5], 2.0, [8.0, -8.0, 0.0, 0.0]),
    # 1.9 gives 2^(0 − 8); 1.9 · 256 = 486.4 is beyond 448; 0.01 · 256 = 2.56 is nearest to 2.5
    ("mxfp8_e4m3", [1.9, 1.0, 0.01, -1.8], 2.0**-8, [1.75, 1.0, 2.5 / 256, -1.75]),
    # 1.9 gives 2^(0 − 15); 1.9 · 2^15 = 62259 is beyond 57344 = 1.75 · 2^15; 1.1 lies between 1 and 1.25
    ("mxfp8_e5m2", [1.9, 1.1, -1.2, 0.0], 2.0**-15, [1.75, 1.0, -1.25, 0.0]),
    # 1.99 gives 2^(0 − 2); 7.96 is beyond 7.5; 0.1 · 4 = 0.4 is nearest to 0.375, a subnormal E2M3
    ("mxfp6_e2m3", [1.99, 0.1, -1.0], 0.25, [1.875, 0.09375, -1.0]),
    # 1.99 gives 2^(0 − 4); 31.84 is beyond 28; 0.01 · 16 = 0.16 is nearest to 0.1875
    ("mxfp6_e3m2", [1.99, 0.01, -1.0], 2.0**-4, [1.75, 0.1875 / 16, -1.0]),
    # scale 1, steps of 1/64: 0.5 step goes to 0, 1.5 to 2; 1.995 · 64 = 127.7 has no code but 127
    ("mxint8", [1.0, 1 / 128, 3 / 128, -1.995], 1 / 64, [1.0, 0.0, 2 / 64, -127 / 64]),
    # The lowest code is left unused: −2 (128 steps) cannot occur, for 2 would give the next scale.
    ("mxint8", [-2.0, 0.02], 2 / 64, [-2.0, 2 / 64]),
]

# NVFP4 (arXiv 2509.25149, section 2): blocks of 16; the tensor's scale is amax / (6 · 448), here 2688 / 2688 = 1; a
# block's is its amax / 6, in units of that, in E4M3.
NVFP4 = [
    (2688.0, 100.0, 448.0, [2688.0, 0.0]),
    (3.0, -0.375, 0.5, [3.0, -0.5]),  # −0.375 / 0.5 = −0.75, half-way, goes to −1 with its even mantissa
    (5.0, 2.5, 0.8125, [4.875, 2.4375]),  # 5/6 is nearest to 0.8125; 5 / 0.8125 saturates; 2.5 / 0.8125 = 3.08
    (5.6, -4.2, 0.9375, [5.625, -3.75]),  # 5.6/6 = 0.9333 is nearest to 0.9375; −4.2 / 0.9375 = −4.48
    (1e-4, 0.0, 2.0**-9, [0.0, 0.0]),  # a scale below the smallest E4M3 is that, not zero
]


@pytest.mark.parametrize(("name", "values", "scale", "expected"), BY_HAND)
def test_hand_made_vectors(path, name, values, scale, expected):
    got, grid = quantize_weight(torch.tensor([values]), TensorPlan(name))
    assert grid.scale.tolist() == [[scale]]
    assert got.tolist() == [expected]


def test_hand_made_vectors_of_nvfp4(path):
    x = torch.zeros(1, 16 * len(NVFP4))
    for i, (first, second, _, _) in enumerate(NVFP4):
        x[0, 16 * i], x[0, 16 * i + 1] = first, second
    got, grid = quantize_weight(x, TensorPlan("nvfp4"))
    assert grid.scale.tolist() == [[scale for _, _, scale, _ in NVFP4]]
    assert got.view(-1, 16)[:, :2].tolist() == [expected for _, _, _, expected in NVFP4]
    assert not got.view(-1, 16)[:, 2:].any()


def matrices():
    dice = np.random.default_rng(3)
    gauss = dice.standard_normal((3, 80))
    yield "gaussian", gauss
    yield "heavy tails", dice.standard_t(1.5, (3, 70))
    yield "wide", gauss * 10.0 ** dice.integers(-30, 30, (3, 80))
    yield "denormal", gauss * 1e-40
    yield "beside denormal", np.where(dice.random((3, 80)) < 0.9, gauss * 1e-43, 1e-37)
    yield "huge", np.clip(gauss * 2e38, -LARGEST, LARGEST)
    yield "ragged", gauss[:, :37]
    yield "one", gauss[:, :1]
    yield "zeros among", np.where(np.arange(80) < 40, 0.0, gauss)
    yield "not finite", np.where(dice.random((3, 80)) < 0.1, dice.choice([NAN, INF, -INF], (3, 80)), gauss)


@pytest.mark.parametrize("name", microscaling.FORMATS)
def test_against_a_slow_reference(path, name):
    for what, matrix in matrices():
        x = matrix.astype(np.float32)
        got, grid = quantize_weight(torch.from_numpy(x), TensorPlan(name))
        expected, scales = microscaling.quantize(x, name)
        spread = grid.scale.double().repeat_interleave(find(name).size, 1)[:, : x.shape[1]]
        assert np.array_equal(spread.numpy(), scales), what
        same = (got.numpy() == expected.astype(np.float32)) | np.isnan(x)
        if name in microscaling.NV:  # a float32 quotient may fall on another side of half-way
            finite = np.where(np.isfinite(x), x, 0.0).astype(np.float64)
            off, other = (np.abs(values - finite) for values in (got.numpy(), expected))
            same |= np.isfinite(x) & (np.abs(off - other) <= 1e-6 * scales)
        assert same.all(), what
        assert np.array_equal(np.isnan(got.numpy()), np.isnan(x)), what


@pytest.mark.parametrize("name", microscaling.MX)
def test_the_shared_exponent_stops_at_both_ends(path, name):
    form = find(name)
    steps = form.unit if name.startswith("mxint") else 1.0
    low, high = block_grid(torch.tensor([[2.0**-149], [LARGEST]]), form).scale.view(-1).tolist()
    assert low == 2.0**-127 * steps
    assert high == 2.0 ** (127 - form.largest_exponent) * steps
    x = torch.tensor([[LARGEST, -LARGEST, 1.0], [2.0**-149, -(2.0**-149), 0.0]])
    got, _ = quantize_weight(x, TensorPlan(name))
    assert torch.isfinite(got).all()
    largest = max(form.levels) * 2.0 ** (127 - form.largest_exponent)
    assert got[0].tolist() == [largest, -largest, 0.0]


@pytest.mark.parametrize("name", microscaling.FORMATS)
def test_blocks_of_zeros_stay_zero(path, name):
    x = torch.zeros(2, 64)
    for filled in (x, torch.cat([x, torch.ones(2, 64)], 1)):
        got, grid = quantize_weight(filled, TensorPlan(name))
        assert same_bytes(got[:, :64], x)
        assert (grid.scale > 0).all()
    assert same_bytes(quantize_weight(-x, TensorPlan(name))[0], x)


@pytest.mark.parametrize("name", microscaling.FORMATS)
def test_nan_and_inf_set_no_scale(path, name):
    clean = torch.randn(2, 64)
    clean[:, 3] = 0.0
    damaged = clean.clone()
    damaged[0, 3], damaged[1, 3] = NAN, -INF
    (one, first), (two, second) = (quantize_weight(x, TensorPlan(name)) for x in (clean, damaged))
    assert torch.equal(first.scale, second.scale)
    assert math.isnan(two[0, 3])
    assert two[1, 3] == second.clip_min[1, 0].float()
    one[:, 3] = two[:, 3] = 0.0
    assert same_bytes(one, two)
    whole = clean.clone()
    whole[1, :32] = NAN  # a block without any finite value
    got, grid = quantize_weight(whole, TensorPlan(name))
    assert torch.isnan(got[1, :32]).all()
    assert torch.isfinite(grid.scale).all()
    assert torch.isfinite(got[0]).all()


@pytest.mark.parametrize("name", microscaling.FORMATS)
@pytest.mark.parametrize("rounding", ["half_even", "half_away", "floor", "stochastic"])
def test_samples_do_not_know_their_batch(path, name, rounding):
    x = torch.randn(5, 3, 40) * torch.logspace(-3, 3, 5).view(5, 1, 1)
    plan = TensorPlan(name, rounding=rounding)
    together = fake_quantize_activation(x, plan)
    for split in (1, 2):
        assert same_bytes(torch.cat([fake_quantize_activation(part, plan) for part in x.split(split)]), together)


def test_each_sample_has_a_tensor_scale_of_its_own(path):
    """Beside a sample a million times larger, a block scale of the smaller one would be below E4M3's smallest."""
    x = torch.randn(2, 32) * torch.tensor([[1.0], [1e6]])
    got = fake_quantize_activation(x, TensorPlan("nvfp4"))
    for i in range(2):
        assert same_bytes(got[i : i + 1], quantize_weight(x[i : i + 1], TensorPlan("nvfp4"))[0])
        assert (got[i] - x[i]).norm() < 0.2 * x[i].norm()


@pytest.mark.parametrize("name", microscaling.FORMATS)
@pytest.mark.parametrize("rounding", ["half_even", "floor", "stochastic"])
def test_blocks_lie_along_the_channels_of_an_image(path, name, rounding):
    """Axis 1 is summed over; how the image lies in memory changes nothing but how the result lies."""
    x = torch.randn(2, 40, 3, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    plan = TensorPlan(name, rounding=rounding)
    one, two = (fake_quantize_activation(image, plan, axis=1) for image in (x, last))
    assert same_bytes(one, two)
    assert (one.stride(), two.stride()) == (x.stride(), last.stride())
    pixels = fake_quantize_activation(x.permute(0, 2, 3, 1).contiguous(), plan)
    assert same_bytes(one, pixels.permute(0, 3, 1, 2))
    out = torch.empty_like(x)
    assert activation_quantizer(plan, axis=1)(last, out) is out
    assert same_bytes(out, one)


@pytest.mark.parametrize("size", [1, 16, 32, 100])
def test_absmax_of_blocks(path, size):
    x = torch.randn(4, 70)
    x[0, 5], x[1, 6], x[2, :40] = NAN, INF, -INF
    for matrix in (x, x.t().contiguous().t(), x[:, :0], x[:0]):
        parts = [torch.where(torch.isfinite(p), p.abs(), 0.0) for p in matrix.split(size, 1)]
        expected = torch.stack([p.amax(1) for p in parts], 1) if matrix.shape[1] else torch.zeros(4, 1)
        assert torch.equal(block_absmax(matrix, size), expected)
