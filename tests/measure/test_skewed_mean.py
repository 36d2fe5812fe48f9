"""The interval of a mean of errors holds what it says it holds, skewed errors and finite data included."""

import math

import numpy as np
import pytest
from scipy import stats

from qdebug.measure.intervals import mean, skewed_mean

DRAWS = 2000


def coverage(draw, true, population=None, confidence=0.95):
    held = 0
    for _ in range(DRAWS):
        low, high = skewed_mean(draw(), population, confidence=confidence)
        held += low <= true <= high
    return held / DRAWS


@pytest.mark.parametrize(("sigma", "n"), [(0.5, 32), (0.5, 128), (1.0, 128), (1.0, 512)])
def test_of_log_normal_errors(sigma, n):
    rng = np.random.default_rng(1)
    found = coverage(lambda: np.exp(sigma * rng.standard_normal(n)), math.exp(sigma**2 / 2))
    assert 0.93 <= found <= 0.97


@pytest.mark.parametrize(("sigma", "n"), [(0.5, 68), (0.5, 270), (1.0, 68), (1.0, 270)])
def test_of_part_of_finite_data(sigma, n):
    """Over populations as well as over parts: each draw has data of its own."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(DRAWS):
        data = np.exp(sigma * rng.standard_normal(540))
        low, high = mean(data[:n], 540)
        held += low <= data.mean() <= high
    assert 0.925 <= held / DRAWS <= 0.97


def test_it_covers_more_of_heavy_tails_than_student_s_t():
    rng, hall, student = np.random.default_rng(3), 0, 0
    true = math.exp(1.5**2 / 2)
    for _ in range(DRAWS):
        values = np.exp(1.5 * rng.standard_normal(68))
        low, high = skewed_mean(values)
        hall += low <= true <= high
        low, high = stats.t.interval(0.95, 67, values.mean(), stats.sem(values))
        student += low <= true <= high
    assert hall > student + 0.03 * DRAWS


@pytest.mark.parametrize("confidence", [0.5, 0.99, 0.9999])
def test_of_other_confidences(confidence):
    rng = np.random.default_rng(4)
    found = coverage(lambda: rng.gamma(4.0, size=100), 4.0, confidence=confidence)
    assert found == pytest.approx(confidence, abs=4 * math.sqrt(confidence * (1 - confidence) / DRAWS) + 2e-3)


def test_of_symmetric_values_it_is_student_s():
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    assert skewed_mean(values) == pytest.approx(stats.t.interval(0.95, 4, 0.0, stats.sem(values)), rel=1e-9)


def test_it_goes_smoothly_through_no_skewness():
    base = np.array([-3.0, -1.0, 0.0, 1.0, 3.0, 0.5, -0.5])
    near = [skewed_mean(base + shift * base**2) for shift in (1e-8, 1e-5, 1e-4)]
    assert np.ptp([low for low, _ in near]) < 2e-3 and np.ptp([high for _, high in near]) < 2e-3


def test_shifted_and_scaled_with_its_values():
    values = np.random.default_rng(5).gamma(1.0, size=50)
    low, high = skewed_mean(values, 200)
    assert skewed_mean(3 * values - 7, 200) == pytest.approx((3 * low - 7, 3 * high - 7))
    assert skewed_mean(-values, 200) == pytest.approx((-high, -low))


def test_the_ends():
    values = np.array([1.0, 2.0, 6.0])
    assert mean(values, 3) == (3.0, 3.0)
    assert mean(np.array([2.0]), 5) == (0.0, math.inf)
    assert mean(np.full(4, 2.0), 9) == (2.0, 2.0)
    assert mean(np.array([0.0, 0.0, 9.0]))[0] >= 0.0
