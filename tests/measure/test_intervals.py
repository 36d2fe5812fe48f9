"""Intervals against exact enumeration, against the bootstrap and against scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from qdebug.measure.intervals import Z, paired_difference, ratio, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (350, 360), (1, 1)])
def test_wilson_is_scipys(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_z():
    assert stats.norm.ppf(0.975) == pytest.approx(Z, abs=1e-15)


def coverage(n, gain, loss):
    """How often the interval holds the true difference, summed over every outcome of n samples."""
    total = 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            low, high = paired_difference(gained, lost, n)
            if low <= gain - loss <= high:
                total += stats.multinomial.pmf([gained, lost, n - gained - lost], n, [gain, loss, 1 - gain - loss])
    return total


def test_paired_difference_covers_by_exact_enumeration():
    points = itertools.product([0.005, 0.01, 0.1, 0.3], [0.005, 0.05, 0.2])
    found = [coverage(40, gain, loss) for gain, loss in points]
    assert min(found) > 0.95
    assert np.mean(found) < 0.985


def test_paired_difference_narrows_and_is_antisymmetric():
    low, high = paired_difference(3, 9, 100)
    assert paired_difference(9, 3, 100) == (-high, -low)
    assert paired_difference(300, 900, 10_000)[1] - paired_difference(300, 900, 10_000)[0] < (high - low) / 5
    assert paired_difference(0, 0, 0) == (-1.0, 1.0)


def test_paired_difference_is_the_wald_interval_for_many_samples():
    gained, lost, n = 400, 900, 20_000
    share = (gained - lost) / n
    half = Z * math.sqrt((gained + lost) / n - share**2) / math.sqrt(n)
    assert paired_difference(gained, lost, n) == pytest.approx((share - half, share + half), abs=2e-5)


def test_paired_difference_against_the_bootstrap():
    rng = np.random.default_rng(0)
    change = np.repeat([1, -1, 0], [30, 70, 900])
    means = change[rng.integers(0, 1000, (4000, 1000))].mean(1)
    assert paired_difference(30, 70, 1000) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=2e-3)


def test_ratio_against_the_bootstrap():
    rng = np.random.default_rng(1)
    tokens = rng.integers(20, 60, 400).astype(float)
    losses = tokens * rng.normal(2, 0.3, 400)
    value, half = ratio(losses, tokens)
    picks = rng.integers(0, 400, (4000, 400))
    means = losses[picks].sum(1) / tokens[picks].sum(1)
    assert value == losses.sum() / tokens.sum()
    assert (value - half, value + half) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=3e-3)


def test_ratio_of_equal_weights_is_the_t_interval():
    values = np.array([1.0, 2.0, 4.0, 4.5])
    value, half = ratio(values, np.ones(4))
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (value - half, value + half) == pytest.approx((low, high), rel=1e-9)


def test_one_sample_has_no_interval():
    assert ratio(np.ones(1), np.ones(1)) == (1.0, math.inf)
