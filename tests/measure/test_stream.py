"""Statistics of values that are seen once, against numpy in float64; with compiled loops and without."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.measure import stream
from qdebug.measure.stream import CodeStats, FloatStats, squared_error
from qdebug.results.scan import OCTAVES, PEAKS


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(stream, "kernels", None)
    return request.param


def values(name, count=50_000):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(count).astype(np.float32) * np.float32(0.02)
    match name:
        case "heavy":
            x[::977] *= 300
        case "shifted":
            x += np.float32(1000)
        case "constant":
            x[:] = 0.1
        case "sparse":
            x[rng.random(count) < 0.7] = 0.0
            x[:100] = -0.0
        case "tiny":
            x *= np.float32(1e-30)
        case "huge":
            x *= np.float32(3e38)
        case "broken":
            x[[3, 7, 4000]] = np.nan
            x[[0, 9]] = np.inf
            x[4001] = -np.inf
    return x


def octaves(x, top):
    """Counts by powers of two, one value at a time."""
    counts = [0] * OCTAVES
    for value in x[x > 0]:
        counts[min(top - (math.frexp(float(value))[1] - 1), OCTAVES - 1)] += 1
    return tuple(counts)


def check(found, x, *, slack):
    good = x[np.isfinite(x)].astype(np.float64)
    assert found.count == len(x)
    assert (found.nans, found.infinities) == (np.isnan(x).sum(), ((x == -np.inf).sum(), (x == np.inf).sum()))
    assert (found.low, found.high, found.absmax) == (good.min(), good.max(), np.abs(good).max())
    assert found.zeros == (good == 0).sum()
    rms = math.sqrt(np.square(good).mean())
    assert found.mean == pytest.approx(good.mean(), rel=1e-11, abs=1e-13 * rms)
    assert found.std == pytest.approx(good.std(), rel=1e-9, abs=1e-15 * rms)
    assert found.rms == pytest.approx(rms, rel=1e-12)
    assert found.crest == pytest.approx(np.abs(good).max() / rms, rel=1e-12)
    for peak, share in zip(PEAKS, found.outliers, strict=True):
        most, least = ((np.abs(good) > peak * rms * (1 + s)).mean() for s in (-slack, slack))
        assert least <= share <= most
    assert found.top == math.frexp(np.abs(good).max())[1] - 1
    assert found.above == octaves(good, found.top)
    assert found.below == octaves(-good, found.top)
    assert sum(found.above) + sum(found.below) + found.zeros == len(good)


NAMES = ["plain", "heavy", "shifted", "constant", "sparse", "tiny", "huge", "broken"]


@pytest.mark.parametrize("name", NAMES)
def test_float32_in_pieces(way, name):
    x, stats = values(name), FloatStats()
    for piece in np.array_split(x, [1, 5000, 5001, 30_001]):
        stats.add(np.ascontiguousarray(piece))
    check(stats.finish(), x, slack=0.004)
    assert stats.limits == (stats.finish().low, stats.finish().high)


@pytest.mark.parametrize("name", NAMES)
def test_codes_of_16_bits(way, name):
    codes = (values(name).view(np.uint32) >> 16).astype(np.uint16)
    reals = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):
        stats = CodeStats(reals.astype(np.float64))
    for piece in np.array_split(codes, [1, 7000]):
        stats.add(piece)
    check(stats.finish(), reals[codes], slack=0.0)


@given(st.lists(st.floats(width=32), max_size=12), st.sampled_from([-1.0, 0.0, 1.0]))
def test_limits_of_either_sign_and_both(floats, sign):
    x = np.array(floats, np.float32)
    x = np.copysign(x, np.float32(sign)) if sign else x
    good = x[np.isfinite(x)]
    stats = FloatStats()
    stats.add(x)
    found = stats.finish()
    assert (found.low, found.high) == ((good.min(), good.max()) if len(good) else (None, None))
    assert found.nans == np.isnan(x).sum() and sum(found.infinities) == np.isinf(x).sum()


@pytest.mark.parametrize("name", ["drawn", "rising", "falling", "close", "one sign", "broken"])
def test_limits_hold_after_every_piece(way, name):
    x = np.random.default_rng(2).standard_normal(3000).astype(np.float32)
    match name:
        case "rising":
            x.sort()
        case "falling":
            x[::-1].sort()
        case "close":  # all share the upper half of their bits, but for the sign
            x = np.copysign(1 + np.abs(x) / 4096, x)
        case "one sign":
            x = -np.abs(x)
        case "broken":
            x[1700:2400:3] = np.nan
    stats, seen = FloatStats(), []
    for piece in np.array_split(x, 131):
        stats.add(np.ascontiguousarray(piece))
        seen += piece[np.isfinite(piece)].tolist()
        assert stats.limits == (min(seen), max(seen))


def test_values_that_are_all_the_same_have_no_spread(way):
    stats = FloatStats()
    stats.add(np.full(10_000, 0.1, np.float32))
    assert (stats.finish().std, stats.finish().crest) == (0.0, pytest.approx(1.0))


def test_integers_and_float64_are_taken_as_float64():
    x = np.array([0.0, -3.0, 2.0**40, 2.0**40 + 1, 5e300])
    stats = FloatStats()
    stats.add(x)
    found = stats.finish()
    assert (found.low, found.high, found.zeros, found.mean) == (-3.0, 5e300, 1, 1e300)
    assert found.std is None  # its square is beyond float64


@pytest.mark.parametrize("x", [np.zeros(0, np.float32), np.full(9, np.nan, np.float32)])
def test_nothing_finite(way, x):
    stats = FloatStats()
    stats.add(x)
    found = stats.finish()
    assert (found.count, found.nans, found.low, found.crest, found.top) == (len(x), len(x), None, None, None)
    assert stats.limits is None


def test_zeros_alone(way):
    stats = FloatStats()
    stats.add(np.zeros(5, np.float32))
    found = stats.finish()
    assert (found.absmax, found.crest, found.zeros, found.top, found.outliers) == (0.0, None, 5, None, (0.0, 0.0, 0.0))


def test_squared_error(way):
    x, xq = values("broken"), values("broken") + np.float32(0.5)
    xq[20] = np.inf
    good = np.isfinite(x)
    kept = np.where(np.isfinite(xq), xq, 0)[good].astype(np.float64)
    assert squared_error(x, xq) == pytest.approx(np.square(kept - x[good]).sum(), rel=1e-12)
