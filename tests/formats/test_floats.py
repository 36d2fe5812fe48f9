"""Small floats against ml_dtypes (and numpy's half): every code, and conversion wherever it could go wrong."""

import ml_dtypes
import numpy as np
import pytest
import torch

from qdebug.formats import FORMATS, Float, find
from qdebug.quantize import cast, decode, encode

REFERENCE = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "fp8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp4": ml_dtypes.float4_e2m1fn,
}
HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def codes(values: np.ndarray) -> np.ndarray:
    """The codes of an array of a reference dtype."""
    return values.view(np.uint16 if values.dtype.itemsize == 2 else np.uint8).astype(np.int32)


def of_codes(fmt: Float) -> np.ndarray:
    """What the reference reads from each code, as float64."""
    every = np.arange(1 << int(fmt.bits), dtype=np.uint16 if fmt.bits > 8 else np.uint8)
    with np.errstate(invalid="ignore"):  # signalling NaN
        return every.view(REFERENCE[fmt.name]).astype(np.float64)


def finite(fmt: Float) -> np.ndarray:
    """All finite numbers of the reference, ascending, zero once."""
    numbers = of_codes(fmt)
    return np.unique(numbers[np.isfinite(numbers)])


def converted(x: np.ndarray, fmt: Float) -> np.ndarray:
    """The reference's own conversion from float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(REFERENCE[fmt.name])


def borders(fmt: Float) -> np.ndarray:
    """Numbers of a format, half-way points between neighbours and beyond the last, and the float32 beside each."""
    numbers = finite(fmt)
    beyond = numbers[-1] + (numbers[-1] - numbers[-2]) / 2  # where rounding goes beyond the largest number
    points = np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / 2, [-beyond, beyond]])
    exact = points.astype(np.float32)
    assert (exact == points).all(), "half-way points have one bit more than the format, and float32 has that"
    infinity = np.float32(np.inf)
    return np.concatenate([exact, np.nextafter(exact, infinity), np.nextafter(exact, -infinity)])


def inputs(fmt: Float) -> np.ndarray:
    """All halves, half-way points and their neighbours, float32 of random bits and of the format's own range."""
    random = np.random.default_rng(7)
    anything = random.integers(0, 1 << 32, 300_000, dtype=np.uint32).view(np.float32)
    exponents = random.uniform(np.log2(fmt.smallest) - 2, min(np.log2(fmt.largest) + 1, 127), 100_000)
    inside = (random.choice([-1.0, 1.0], exponents.size) * 2**exponents).astype(np.float32)
    return np.concatenate([HALVES, borders(fmt), anything, inside, np.float32([np.nan, -np.nan, np.inf, -np.inf])])


@pytest.fixture(params=REFERENCE)
def fmt(request) -> Float:
    return find(request.param)


def test_no_float_of_at_most_16_bits_is_left_out():
    assert {form.name for form in FORMATS.values() if isinstance(form, Float) and form.bits <= 16} == set(REFERENCE)


def test_every_code_is_that_of_ml_dtypes(fmt):
    expected = of_codes(fmt)
    mine = fmt.decode(np.arange(1 << int(fmt.bits)))
    np.testing.assert_array_equal(mine, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(mine[number]), np.signbit(expected[number]))


def test_the_limits_are_those_of_ml_dtypes(fmt):
    info = ml_dtypes.finfo(REFERENCE[fmt.name])
    assert (fmt.largest, fmt.smallest_normal, fmt.smallest) == (
        float(info.max),
        float(info.smallest_normal),
        float(info.smallest_subnormal),
    )
    assert (fmt.bits, fmt.mantissa_bits, fmt.exponent_bits) == (info.bits, info.nmant, info.nexp)
    assert fmt.smallest_exponent == info.minexp


def test_levels_are_all_finite_numbers_once(fmt):
    assert list(fmt.levels) == (finite(fmt).tolist() if fmt.bits <= 8 else [])
    assert not any(np.signbit(level) for level in fmt.levels if level == 0)


def test_every_number_has_its_own_code(fmt):
    every = torch.arange(1 << int(fmt.bits))
    reals = decode(every, fmt)
    number = ~torch.isnan(reals)
    assert torch.equal(encode(reals, fmt)[number], every[number].int())


def test_codes_are_those_of_the_reference(fmt):
    x = inputs(fmt)
    expected = codes(converted(x, fmt))
    nan = np.isnan(x)
    if fmt.encoding == "none":
        # The MX specification leaves NaN open: ml_dtypes gives zero, NVIDIA's conversions the largest number, as ours.
        assert set(expected[nan]) == {0, 1 << int(fmt.bits) - 1}
        expected[nan] = codes(converted(np.float32([fmt.largest]), fmt))
    if fmt.name == "fp16":
        # numpy carries the upper bits of a NaN's payload over; ours is the quiet NaN that ml_dtypes gives elsewhere.
        expected[nan] = np.where(np.signbit(x[nan]), 0xFE00, 0x7E00)
    np.testing.assert_array_equal(encode(torch.from_numpy(x), fmt).numpy(), expected)


def test_saturated_codes_are_those_of_clamped_values(fmt):
    x = inputs(fmt)
    x = x[~np.isnan(x)]
    expected = codes(converted(x.clip(-fmt.largest, fmt.largest), fmt))
    np.testing.assert_array_equal(encode(torch.from_numpy(x), fmt, saturate=True).numpy(), expected)


@pytest.mark.parametrize("saturate", [False, True])
def test_cast_gives_the_values_of_the_reference(fmt, saturate):
    x = inputs(fmt)
    expected = converted(x.clip(-fmt.largest, fmt.largest) if saturate else x, fmt).astype(np.float32)
    expected[np.isnan(x)] = np.nan  # also where a format has none: a value that is no number is not hidden
    mine = cast(torch.from_numpy(x), fmt, saturate=saturate).numpy()
    np.testing.assert_array_equal(mine, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(mine[number]), np.signbit(expected[number]))


def test_formats_of_more_than_16_bits_have_no_codes_here():
    for name in ("tf32", "fp32"):
        with pytest.raises(ValueError, match=f"{name} has .* bits"):
            encode(torch.ones(1), find(name))
