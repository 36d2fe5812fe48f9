"""Scales in fewer bits than float32."""

import math

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.quantize import quantize_weight
from qdebug.quantize.scales import SECOND, double_quantize, dynamic_levels, stored_scale
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import LARGEST, arrays

SCALES = st.one_of(
    st.floats(2.0**-126, LARGEST, width=32), st.floats(2.0**-20, 16.0, width=32),
    st.integers(-126, 127).map(lambda e: 2.0**e),
)  # fmt: skip


@given(scale=arrays(SCALES))
def test_half_precision(scale):
    """Rounded half to even as numpy and ml_dtypes do; what is beyond the ends becomes the end, and nothing zero."""
    found = {how: stored_scale(torch.from_numpy(scale), how).numpy() for how in ("fp16", "bf16")}
    with np.errstate(over="ignore"):
        half = scale.astype(np.float16).astype(np.float32)
    assert np.array_equal(found["fp16"], np.clip(half, 2.0**-24, 65504))
    brain = scale.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(found["bf16"], np.minimum(brain, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)))
    assert all((kept > 0).all() and np.isfinite(kept).all() for kept in found.values())


@given(scale=arrays(SCALES))
def test_powers_of_two_never_clip(scale):
    kept = stored_scale(torch.from_numpy(scale), "e8m0").numpy()
    for given_scale, power in zip(scale.tolist(), kept.tolist(), strict=True):
        assert math.frexp(power)[0] == 0.5
        assert power == 2.0**127 if given_scale > 2.0**127 else given_scale <= power < 2 * given_scale


@given(scale=arrays(SCALES))
def test_float32_is_the_scale_itself(scale):
    for how in (None, "fp32"):
        assert np.array_equal(stored_scale(torch.from_numpy(scale), how).numpy(), scale)


@pytest.mark.parametrize("name", ["int4", "int8", "nf4", "fp8_e4m3fn", "fp4"])
def test_powers_of_two_clip_no_weight(name):
    w = torch.randn(40, 32) * torch.logspace(-20, 20, 40).view(-1, 1)
    for granularity, size in (("channel", 0), ("group", 8)):
        got, grid = quantize_weight(w, TensorPlan(name, granularity, size, scale_format="e8m0"))
        spread = grid.clip_max.repeat_interleave(size or 32, 1)
        assert (w.double().abs() <= spread * (1 + 1e-7)).all()
        assert (torch.frexp(grid.scale)[0] == 0.5).all()
        assert torch.isfinite(got).all()


def dynamic_type():
    """The signed dynamic 8-bit type from its bits (arXiv 2110.02861, section 2.1; arXiv 1511.04561).

    After the sign, the zeros before the first one count powers of ten down from 1; the bits after that one divide
    [0.1, 1] evenly, each standing for the middle of its part. All zeros are 0; the code of −0 is 1.
    """
    values = {0.0, 1.0}
    for code in range(1, 128):
        after = code.bit_length() - 1
        part = (code - 2**after + 0.5) / 2**after
        values |= {sign * 10.0 ** (after - 6) * (0.1 + 0.9 * part) for sign in (1, -1)}
    return np.array(sorted(values))


def test_the_dynamic_type():
    expected = dynamic_type()
    found = dynamic_levels().double().numpy()
    assert len(expected) == len(found) == 256
    assert np.abs(found / np.where(expected == 0, 1, expected) - (expected != 0)).max() < 1e-6
    assert (found.max(), found.min()) == (1.0, pytest.approx(-0.99297, abs=1e-5))


def by_the_book(scales):
    """QLoRA, section 3: the mean is taken away; blocks of 256 with absmax in float32; the nearest of 256 numbers."""
    levels = dynamic_levels().double().numpy()
    mean = float(np.float32(scales.astype(np.float64).mean()))
    rest = scales.astype(np.float64) - mean
    back = np.empty_like(rest)
    for start in range(0, len(rest), 256):
        block = rest[start : start + 256]
        absmax = float(np.float32(np.abs(block).max())) or 1.0
        places = [int(np.abs(value / absmax - levels).argmin()) for value in block]
        back[start : start + 256] = levels[places] * absmax + mean
    return back


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 1000])
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_double_quantization_against_float64(count, size):
    dice = np.random.default_rng(count)
    scales = (np.abs(dice.standard_normal(count)) * 0.2 + 1.0).astype(np.float32) * np.float32(size)
    got = double_quantize(torch.from_numpy(scales)).double().numpy()
    expected = by_the_book(scales)
    assert (expected > 0).all()
    # a float32 of the result is all that lies between; the nearest number may be either of two as far away
    assert np.abs(np.abs(got - scales) - np.abs(expected - scales)).max() <= 1e-7 * expected.max()
    assert np.isclose(got, expected, rtol=1e-6).mean() > 0.98
    spread = np.abs(scales - scales.mean()).max()
    assert np.abs(got - scales).max() <= spread * 0.9 / 2**6 / 2 * 1.01 + 1e-7 * size


def test_scales_never_come_back_as_zero_or_less():
    """One large among small ones: the mean less what 8 bits can say may fall below zero."""
    for outlier in (10.0, 1e4, 1e30):
        scales = torch.cat([torch.logspace(-6, 0, 299), torch.tensor([outlier])])
        got = double_quantize(scales)
        assert (got > 0).all()
        assert torch.isfinite(got).all()


def test_corners_of_double_quantization():
    alike = torch.full((3, 5), 0.3)
    assert torch.equal(double_quantize(alike), alike)
    assert double_quantize(torch.empty(0, 3)).shape == (0, 3)
    huge = torch.full((4, 600), LARGEST)  # whose sum is beyond float32
    assert torch.equal(double_quantize(huge), huge)
    mixed = double_quantize(torch.tensor([LARGEST, LARGEST / 2, 1.0]))
    assert torch.isfinite(mixed).all()
    assert (mixed > 0).all()
    tiny = torch.full((7,), 2.0**-126)
    assert torch.equal(double_quantize(tiny), tiny)


def test_blocks_of_scales_run_in_row_major_order():
    scales = torch.rand(8, 96) + 0.5
    assert SECOND == 256
    assert torch.equal(double_quantize(scales), double_quantize(scales.view(-1)).view(8, 96))
    other = double_quantize(scales.t().contiguous().t())
    assert torch.equal(other, double_quantize(scales))
