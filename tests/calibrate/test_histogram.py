import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qdebug.calibrate import histogram
from qdebug.calibrate.bins import bin_of, exponent_for, merge


@given(hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)), st.sampled_from([1, 7, 256]))
def test_counts_every_finite_value(values, bins):
    low, high, counts = histogram(torch.from_numpy(values), bins)
    finite = values[np.isfinite(values)].astype(np.float64)
    assert counts.sum() == finite.size
    assert len(counts) == bins
    if finite.size:
        assert low <= finite.min()
        assert finite.max() <= high
        assert low < high


def test_bins_are_equal_and_right():
    low, high, counts = histogram(torch.tensor([0.0, 0.1, 0.2, 0.9, 1.0]), 4)
    assert (low, high) == (0.0, 1.0)
    assert counts.tolist() == [3, 0, 0, 2]


def test_constant_and_odd_tensors():
    for value in (0.0, 3.0, -1e-45, 3.4e38):
        low, high, counts = histogram(torch.full((4, 5), value), 16)
        assert low < float(np.float32(value)) < high
        assert counts.sum() == 20
        assert math.isfinite(low)
        assert math.isfinite(high)
    assert histogram(torch.empty(0))[2].sum() == 0
    assert histogram(torch.randn(3, 4, 5).permute(2, 0, 1)[:, ::2])[2].sum() == 40


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_the_exponent_is_the_smallest_that_fits(one, two):
    low, high = min(one, two), max(one, two)
    exponent = exponent_for(low, high, 64)
    assert bin_of(high, exponent) - bin_of(low, exponent) < 64
    if exponent > max(-126, math.frexp(max(abs(low), abs(high)))[1] - 22):
        assert bin_of(high, exponent - 1) - bin_of(low, exponent - 1) >= 64


@given(st.integers(-300, 300), st.integers(0, 5), st.lists(st.integers(0, 9), min_size=64, max_size=64))
def test_merging_moves_counts_to_the_bins_that_hold_theirs(origin, doublings, counts):
    counts = np.array(counts, np.int64)
    merged = merge(counts, origin, doublings, origin >> doublings)
    values = np.repeat(origin + np.arange(64), counts)
    expected = np.bincount((values >> doublings) - (origin >> doublings), minlength=64)
    assert (merged == expected).all()


@pytest.mark.parametrize("value", [-1.5, -0.25, 0.0, 0.25, 1.75])
def test_bins_are_closed_below(value):
    k = bin_of(value, -2)
    assert k * 0.25 <= value < (k + 1) * 0.25
