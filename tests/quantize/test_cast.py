import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given

from qdebug.formats import BF16, FORMATS, FP16, FP32, TF32, Float, find
from qdebug.quantize import cast
from qdebug.quantize.modes import cast_by
from tests.quantize.tensors import anything, same_bytes, tensors

FLOATS = [form for form in FORMATS.values() if isinstance(form, Float)]


@pytest.fixture(params=FLOATS, ids=lambda form: form.name)
def fmt(request):
    return request.param


def some(*shape):
    """Numbers of all magnitudes of small floats, both zeros, and what is no number."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(*shape, generator=random) * 2.0 ** torch.randint(-20, 20, shape, generator=random)
    x.view(-1)[:5] = torch.tensor([0.0, -0.0, math.nan, math.inf, -math.inf])
    return x


@given(tensors(anything))
def test_fp16_is_numpys_half(x):
    with np.errstate(over="ignore"):
        expected = x.numpy().astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(cast(x, FP16).numpy(), expected)


@given(tensors(anything))
def test_bf16_is_the_upper_half_of_float32_rounded_to_even(x):
    bits = x.numpy().view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    expected = np.where(np.isnan(x.numpy()), np.nan, rounded)
    np.testing.assert_array_equal(cast(x, BF16).numpy(), expected)


def test_fp16_overflows_to_infinity():
    assert cast(torch.tensor([65504.0, 65519.0, 65520.0, -7e4]), FP16).tolist() == [
        65504.0,
        65504.0,
        math.inf,
        -math.inf,
    ]


def test_fp32_is_the_tensor_itself():
    x = torch.randn(3)
    assert cast(x, FP32) is x


def test_tf32_against_exact_arithmetic():
    """The upper 19 bits of float32, rounded half to even in integers: random bits, and every tie of a binade."""
    random = np.random.default_rng(0).integers(0, 1 << 32, 300_000, dtype=np.uint32)
    ties = (np.arange(1 << 11, dtype=np.uint32) << 12) + np.uint32(0x3F800000)
    edges = [ties + np.uint32(move) for move in (0, 1, 0xFFFFFFFF)]
    ends = np.uint32([0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFFF, 0x7F7FEFFF, 0x7F7FF000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000])
    bits = np.concatenate([random, *edges, ends, ends | np.uint32(1 << 31)])
    x = bits.view(np.float32)
    wide = bits.astype(np.uint64)
    rounded = ((wide + 0xFFF + (wide >> 13 & 1)) >> 13 << 13).astype(np.uint32).view(np.float32)
    expected = torch.from_numpy(np.where(np.isnan(x), np.float32(np.nan), rounded))
    assert same_bytes(cast(torch.from_numpy(x), TF32), expected)


def test_tf32_saturates_at_its_own_largest_number():
    largest = float(Fraction(2) ** 128 - Fraction(2) ** 117)
    assert TF32.largest == largest
    assert cast(torch.tensor([3.4025e38, -math.inf]), TF32, saturate=True).tolist() == [largest, -largest]
    assert cast(torch.tensor([3.4028234e38]), TF32).tolist() == [math.inf]


@pytest.mark.parametrize("saturate", [False, True])
def test_out_is_written(fmt, saturate):
    x = some(40, 50)
    expected = cast(x, fmt, saturate=saturate)
    own, other = x.clone(), torch.empty_like(x)
    assert cast(own, fmt, own, saturate=saturate) is own
    assert cast(x, fmt, other, saturate=saturate) is other
    assert same_bytes(own, expected)
    assert same_bytes(other, expected)
    assert same_bytes(x, some(40, 50)), "the input is as it was"


@pytest.mark.parametrize("saturate", [False, True])
def test_strides_and_dtype_stay(fmt, saturate):
    dense = some(2, 3, 4, 5)
    expected = cast(dense, fmt, saturate=saturate)
    for x in (
        dense.contiguous(memory_format=torch.channels_last),
        dense.permute(3, 0, 2, 1).contiguous().permute(1, 3, 2, 0),
    ):
        found = cast(x, fmt, saturate=saturate)
        assert found.stride() == x.stride()
        assert same_bytes(found, expected)
    spaced = torch.zeros(2, 3, 4, 10)
    spaced[..., ::2] = dense
    assert same_bytes(cast(spaced[..., ::2], fmt, saturate=saturate), expected)
    cast(dense, fmt, spaced[..., ::2], saturate=saturate)
    assert same_bytes(spaced[..., ::2], expected)
    assert not spaced[..., 1::2].any()
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        assert cast(dense.to(dtype), fmt, saturate=saturate).dtype == dtype


def test_more_values_than_are_treated_at_once(fmt):
    x = some(3, 70_001)
    whole = cast(x, fmt, saturate=True)
    for part in (slice(0, 10), slice(65_530, 65_545), slice(69_990, 70_001)):
        assert same_bytes(whole[:, part], cast(x[:, part].contiguous(), fmt, saturate=True))


@pytest.mark.parametrize("fmt", [form for form in FLOATS if form.name != "fp32"], ids=lambda form: form.name)
def test_float64_is_rounded_once(fmt):
    """By way of float32, 1 + half a step + 2^−40 would first become the tie and then 1."""
    step = 2.0**-fmt.mantissa_bits
    values = [
        1 + step / 2 + 2.0**-40,
        1 + 1.5 * step - 2.0**-40,
        1 + step / 2,
        1 + 1.5 * step,
        fmt.smallest / 2 * (1 + 2.0**-40),
    ]
    expected = [1 + step, 1 + step, 1.0, 1 + 2 * step, fmt.smallest]
    assert cast(torch.tensor(values, dtype=torch.float64), fmt).tolist() == expected


def test_float64_to_half_is_numpys():
    random = np.random.default_rng(2)
    ties = 1 + (random.integers(0, 1 << 10, 50_000) + 0.5) * 2.0**-10
    x = ties * (1 + random.choice([0.0, 2.0**-45, -(2.0**-45)], ties.size))
    np.testing.assert_array_equal(cast(torch.from_numpy(x), FP16).numpy(), x.astype(np.float16).astype(np.float64))


def test_what_is_too_large(fmt):
    """Half-way beyond the largest number, in float64 where all of this is exact."""
    quantum = 2.0 ** (fmt.largest_exponent - fmt.mantissa_bits)
    below = math.nextafter(fmt.largest + quantum / 2, 0)
    x = torch.tensor([below, -below, 2 * fmt.largest, -2 * fmt.largest, math.inf, -math.inf], dtype=torch.float64)
    largest, beyond = fmt.largest, fmt.overflow
    assert cast(x, fmt, saturate=True).tolist() == [largest, -largest] * 3
    if fmt.name != "fp32":  # which leaves float64 as it is
        assert str(cast(x.abs(), fmt).tolist()) == str([largest] * 2 + [beyond] * 4)
    assert cast(torch.tensor([math.nan]), fmt, saturate=True).isnan().all()


@pytest.mark.parametrize("value", [0.3, -0.3, 1.7, -5.1, 0.026, 2.0**-8 * 1.4])
@pytest.mark.parametrize("name", ["fp4", "fp6_e2m3", "fp8_e4m3fn", "fp8_e5m2", "fp16", "bf16", "tf32"])
def test_stochastic_rounding_is_unbiased(name, value):
    form = find(name)
    many = 200_000
    x = torch.full((many,), value)
    got = cast_by(x, form, "stochastic", seed=5).double()
    neighbours = got.unique()
    exact = float(x[0])
    assert len(neighbours) == 2
    low, high = neighbours.tolist()
    assert low < exact < high
    assert low == cast_by(x[:1], form, "floor", seed=0).item()
    deviation = math.sqrt((exact - low) * (high - exact) / many)
    assert abs(got.mean().item() - exact) < 5 * deviation


def test_stochastic_rounding_depends_on_the_seed_and_keeps_numbers(fmt):
    x = some(4, 1000)
    one, again, other = (cast_by(x, fmt, "stochastic", seed) for seed in (1, 1, 2))
    assert same_bytes(one, again)
    assert fmt.name == "fp32" or not same_bytes(one, other)
    number = cast(x, fmt, saturate=True)
    assert same_bytes(cast_by(number, fmt, "stochastic", 3), number + 0.0)


def test_other_roundings_by_hand():
    x = torch.tensor([1.25, 1.75, -1.25, -1.75, 2.5, -2.5, 0.25, -0.25, 100.0, -math.inf])
    away = [1.5, 2.0, -1.5, -2.0, 3.0, -3.0, 0.5, -0.5, 6.0, -6.0]
    assert cast_by(x, find("fp4"), "half_away", 0).tolist() == away
    down = [1.0, 1.5, -1.5, -2.0, 2.0, -3.0, 0.0, -0.5, 6.0, -6.0]
    assert cast_by(x, find("fp4"), "floor", 0).tolist() == down
    assert cast(x, find("fp4")).tolist() == [1.0, 2.0, -1.0, -2.0, 2.0, -2.0, 0.0, -0.0, 6.0, -6.0]
