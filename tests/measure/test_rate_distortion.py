"""The limit is held against closed forms, a plain Blahut iteration on other points, and quantizers."""

import math
import time

import numpy as np
import pytest
from scipy.special import ndtr

from qdebug.measure.rate_distortion import rate_distortion

DB_PER_BIT = 20 * math.log10(2)


def _counts(cdf, low, high, bins=256, n=10**12):
    return np.rint(np.diff(cdf(np.linspace(low, high, bins + 1))) * n).astype(np.int64)


def _laplace(x):
    return np.where(x < 0, np.exp(-np.abs(x)) / 2, 1 - np.exp(-np.abs(x)) / 2)


def _source(name):
    """``low, high, counts, zeros`` of a source by name."""
    if name == "normal":
        return -4.5, 4.5, _counts(ndtr, -4.5, 4.5), 0
    if name == "laplace":
        return -12.0, 12.0, _counts(_laplace, -12, 12), 0
    if name == "uniform":
        return -1.0, 1.0, np.full(256, 10**9), 0
    if name == "uniform, mean 2":
        return 1.0, 3.0, np.full(256, 10**9), 0
    if name == "relu":
        counts = _counts(ndtr, 0, 4.5)
        counts[0] += 5 * 10**11
        return 0.0, 4.5, counts, 5 * 10**11
    if name == "pruned":
        counts = _counts(ndtr, -4.5, 4.5)
        counts[128] += 3 * 10**12
        return -4.5, 4.5, counts, 3 * 10**12
    values = np.random.default_rng(5).standard_t(3, 20_000)
    counts, _ = np.histogram(values, 256)
    return float(values.min()), float(values.max()), counts, 0


SOURCES = ["normal", "laplace", "uniform", "uniform, mean 2", "relu", "pruned", "heavy tails"]


def _cells(source, parts=8):
    """Fine points of the source, their probabilities, and the variance within each."""
    low, high, counts, zeros = source
    density = counts.astype(float)
    width = (high - low) / len(counts)
    if zeros:
        density[min(math.floor(-low / width), len(counts) - 1)] -= zeros
    x = low + (np.arange(len(counts) * parts) + 0.5) * width / parts
    p, inside = np.repeat(density / parts, parts), np.full(len(x), (width / parts) ** 2 / 12)
    if zeros:
        place = np.searchsorted(x, 0.0)
        x, p, inside = np.insert(x, place, 0.0), np.insert(p, place, zeros), np.insert(inside, place, 0.0)
    return x, p / counts.sum(), inside


def _quantized(cells, edges):
    """``(entropy in bits, D, levels)`` of a scalar quantizer with the best levels for the given thresholds."""
    x, p, inside = cells
    code = np.searchsorted(edges, x)
    mass, first = np.bincount(code, p), np.bincount(code, p * x)
    levels = first / np.maximum(mass, 1e-300)
    used = mass[mass > 0]
    return -float(used @ np.log2(used)), float(p @ ((x - levels[code]) ** 2 + inside)), levels[mass > 0]


def _lloyd_max(cells, levels, steps=300):
    x, p, _ = cells
    centres = np.interp((np.arange(levels) + 0.5) / levels, np.cumsum(p), x)
    for _ in range(steps):
        centres = _quantized(cells, (centres[1:] + centres[:-1]) / 2)[2]
    return _quantized(cells, (centres[1:] + centres[:-1]) / 2)[:2]


def _decibels(cells, distortion):
    x, p, inside = cells
    return 10 * math.log10(float(p @ (x**2 + inside)) / distortion)


def test_a_normal_source_gains_6_02_db_a_bit():
    bits, sqnr = rate_distortion(*_source("normal"))
    np.testing.assert_allclose(sqnr, DB_PER_BIT * bits, atol=3e-3)
    assert (bits[0], bits[-1]) == (0.0, 16.0)


@pytest.mark.parametrize(
    ("name", "above", "within"),
    # 10 log10(2πe σ² / e^{2h}): h = ln 2 for a width of 2 and variance 1/3; h = 1 + ln 2 for the Laplace of variance 2.
    [("uniform", 10 * math.log10(math.pi * math.e / 6), 0.03), ("laplace", 10 * math.log10(math.pi / math.e), 5e-3)],
)
def test_high_rates_meet_the_shannon_lower_bound(name, above, within):
    bits, sqnr = rate_distortion(*_source(name), bits=[6, 7, 8, 12, 16])
    np.testing.assert_allclose(sqnr, DB_PER_BIT * bits + above, atol=within)


@pytest.mark.parametrize("name", ["uniform", "laplace"])
def test_low_rates_meet_a_plain_blahut_iteration_on_other_points(name):
    low, high, cdf = (-1.0, 1.0, lambda x: (x + 1) / 2) if name == "uniform" else (-12.0, 12.0, _laplace)
    edges = np.linspace(low, high, 302)
    x, p = (edges[1:] + edges[:-1]) / 2, np.diff(cdf(edges))
    p /= p.sum()
    squared = (x[:, None] - np.linspace(low, high, 201)) ** 2
    within = (edges[1] - edges[0]) ** 2 / 12
    power = float(p @ x**2) + within
    for slope in np.array([1.3, 2.0, 4.0, 10.0]) * 0.5 / power:
        kernel, q = np.exp(-slope * squared), np.full(201, 1 / 201)
        for _ in range(1500):
            q = q * ((p / (kernel @ q)) @ kernel)
        seen = kernel @ q
        distortion = float((p / seen) @ ((kernel * squared) @ q))
        rate = (-slope * distortion - float(p @ np.log(seen))) / math.log(2)
        ours = rate_distortion(*_source(name), bits=[rate])[1][0]
        assert ours == pytest.approx(10 * math.log10(power / (distortion + within)), abs=0.02)


@pytest.mark.parametrize(("name", "share"), [("relu", 0.5), ("pruned", 0.25)])
def test_an_atom_leaves_more_bits_to_the_rest(name, share):
    """At high rates: ``R = H(p0) + (1 − p0) (h − ½ log2(2πe D / (1 − p0)))``, 6.02 / (1 − p0) dB a bit."""
    low, high, counts, zeros = _source(name)
    bits, sqnr = rate_distortion(low, high, counts, zeros, bits=[10, 12, 14])
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    h = 0.5 * math.log2(2 * math.pi * math.e) - (1.0 if name == "relu" else 0.0)  # a half normal has one bit less
    exponent = 2 * ((bits - entropy) / share - h)
    distortion = share / (2 * math.pi * math.e) * 2.0**-exponent
    np.testing.assert_allclose(sqnr, 10 * np.log10(share / distortion), atol=0.05)


def test_an_atom_joins_smoothly():
    """A finer histogram of the same source, which Blahut-Arimoto follows further, gives the same curve."""
    coarse = _counts(ndtr, 0, 4.5, bins=128)
    fine = _counts(ndtr, 0, 4.5, bins=384)
    coarse[0] += 5 * 10**11
    fine[0] += 5 * 10**11
    bits = np.linspace(0, 6, 49)
    one = rate_distortion(0.0, 4.5, coarse, 5 * 10**11, bits=bits)[1]
    two = rate_distortion(0.0, 4.5, fine, 5 * 10**11, bits=bits)[1]
    np.testing.assert_allclose(one, two, atol=0.1)


@pytest.mark.parametrize("name", SOURCES)
def test_more_bits_gain_and_the_distortion_is_convex(name):
    bits, sqnr = rate_distortion(*_source(name))
    assert np.all(np.diff(sqnr) > 0)
    with np.errstate(under="ignore"):
        distortion = 10 ** (-sqnr / 10)
    assert np.all(np.diff(distortion, 2) >= -1e-9 * distortion[:-2])
    assert np.all(sqnr >= DB_PER_BIT * bits - 0.02)  # of all sources of one variance the normal is the hardest


@pytest.mark.parametrize("name", SOURCES)
def test_no_bits_leave_the_variance(name):
    cells = _cells(_source(name))
    x, p, inside = cells
    variance = float(p @ (x**2 + inside)) - float(p @ x) ** 2
    assert rate_distortion(*_source(name), bits=0)[1][0] == pytest.approx(_decibels(cells, variance), abs=1e-3)


@pytest.mark.parametrize("name", SOURCES)
def test_no_scalar_quantizer_lies_above(name):
    source = _source(name)
    cells = _cells(source)
    points = []
    for wide in (1, 2, 3, 4):
        entropy, distortion = _lloyd_max(cells, 2**wide)
        points += [(wide, distortion), (entropy, distortion)]
    deviation = math.sqrt(float(cells[1] @ cells[0] ** 2))
    for step in deviation * 2.0 ** np.arange(2, -6, -0.5):
        ends = math.ceil(max(abs(source[0]), abs(source[1])) / step)
        points.append(_quantized(cells, (np.arange(-ends, ends) + 0.5) * step)[:2])
    rates, distortions = np.array(points).T
    limit = rate_distortion(*source, bits=rates)[1]
    reached = np.array([_decibels(cells, d) for d in distortions])
    assert np.all(reached <= limit + 0.01)
    assert np.any(reached > limit - 2.0)  # and the limit is not far away


def test_what_cannot_be_coded_better():
    empty = rate_distortion(0.0, 0.0, np.zeros(8, np.int64))[1]
    assert np.all(np.isnan(empty))
    zeros = rate_distortion(-0.25, 0.25, [0, 0, 7, 0], 7)[1]
    constant = rate_distortion(3.0, 3.0, [5])[1]
    assert np.all(zeros == np.inf)
    assert np.all(constant == np.inf)


def test_values_in_one_bin_are_uniform_in_it():
    alone = rate_distortion(0.0, 4.0, [0, 0, 9, 0])
    uniform = rate_distortion(2.0, 3.0, np.full(128, 9))
    np.testing.assert_allclose(alone[1], uniform[1], atol=1e-6)


def test_units_and_counts_do_not_matter():
    low, high, counts, zeros = _source("relu")
    plain = rate_distortion(low, high, counts, zeros)[1]
    np.testing.assert_allclose(rate_distortion(low * 1e-30, high * 1e-30, counts, zeros)[1], plain, atol=1e-6)
    np.testing.assert_allclose(rate_distortion(low, high, counts * 3, zeros * 3)[1], plain, atol=1e-6)


def test_nearly_all_zero():
    counts = np.ones(256, np.int64)
    counts[0] += 10**9
    sqnr = rate_distortion(0.0, 1.0, counts, 10**9)[1]
    assert np.all(np.isfinite(sqnr))
    assert np.all(np.diff(sqnr) > 0)


@pytest.mark.parametrize(
    "wrong",
    [(1.0, 0.0, [1], 0), (0.0, math.inf, [1], 0), (0.0, 1.0, [-1, 2], 0), (0.0, 1.0, [1, 1], 2), (1.0, 2.0, [3], 1)],
)
def test_what_is_no_histogram_is_refused(wrong):
    with pytest.raises(ValueError, match="not a histogram|more than the values"):
        rate_distortion(*wrong)


def test_negative_rates_are_refused():
    with pytest.raises(ValueError, match="rates"):
        rate_distortion(0.0, 1.0, [1, 2], bits=[-1.0])


@pytest.mark.parametrize("name", ["uniform", "relu"])
def test_well_under_a_second(name):
    def seconds():
        start = time.thread_time()
        rate_distortion(*_source(name))
        return time.thread_time() - start

    assert min(seconds() for _ in range(3)) < 1.0
