import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qdebug.calibrate import Observer, choose_range
from qdebug.errors import NumericError
from qdebug.recipes import TensorPlan
from qdebug.recipes.plan import ChosenRange
from tests.quantize import reference


def seen(*batches):
    observer = Observer(1)
    for batch in batches:
        observer.update(batch)
    return observer.stats()


def plan(method, bits=8, symmetric=False, **rest):
    return TensorPlan(f"int{bits}", symmetric=symmetric, range=method, **rest)


METHODS = get_args(ChosenRange)


def test_minmax_holds_zero():
    assert choose_range(seen(torch.tensor([[1.0, 3.0]])), plan("minmax")) == (0.0, 3.0)
    assert choose_range(seen(torch.tensor([[-1.0, -3.0]])), plan("minmax")) == (-3.0, 0.0)


def test_moving_average_follows_the_batches():
    first, second = torch.tensor([[-1.0, 1.0]]), torch.tensor([[-11.0, 21.0]])
    assert choose_range(seen(first, second), plan("moving_average")) == pytest.approx((-1.1, 1.2))


@pytest.mark.parametrize("keep", [99.0, 99.9, 90.0])
def test_percentile_within_a_bin(keep):
    data = torch.randn(20_000, 3)
    stats = seen(*data.split(5000))
    low, high = np.percentile(data.numpy(), [(100 - keep) / 2, 100 - (100 - keep) / 2])
    got = choose_range(stats, plan("percentile", percentile=keep))
    assert abs(got[0] - low) <= stats.width
    assert abs(got[1] - high) <= stats.width


def test_a_percentile_that_cuts_everything_keeps_the_range():
    x = torch.zeros(10_000, 1)
    x[0] = 0.7
    assert choose_range(seen(x), plan("percentile", percentile=99.0)) == (0.0, pytest.approx(0.7, rel=1e-6))


def test_a_hand_set_clip_wins_over_everything():
    for method in METHODS:
        assert choose_range(seen(torch.randn(5, 3)), plan(method, clip=(-0.5, 2.0))) == (-0.5, 2.0)
    assert choose_range(seen(torch.full((1, 1), math.nan)), plan("minmax", clip=(-0.5, 2.0))) == (-0.5, 2.0)


def squared_error(x, low, high, bits, symmetric):
    return float(np.square(reference.fake_quantize(x, *reference.qparams(low, high, bits, symmetric)) - x).sum())


def brute_force(x, bits, symmetric):
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    ratios = 2 ** np.linspace(-7, 0, 200 if symmetric else 36)
    if symmetric:
        absmax = max(-low, high)
        return min(squared_error(x, -absmax * r, absmax * r, bits, True) for r in ratios)
    return min(squared_error(x, low * a, high * b, bits, False) for a in ratios for b in ratios)


@pytest.mark.parametrize("kind", ["normal", "relu", "heavy", "one sided outlier", "mostly zero"])
@pytest.mark.parametrize(("bits", "symmetric"), [(2, False), (4, False), (8, False), (4, True), (8, True)])
def test_mse_is_within_a_hundredth_of_brute_force_on_the_data(kind, bits, symmetric):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1000, 3))
    x = {
        "normal": x, "relu": np.maximum(x, 0), "heavy": rng.standard_t(3, size=x.shape),
        "one sided outlier": np.append(x[1:], [[80.0, 60.0, 70.0]], 0),
        "mostly zero": np.where(rng.random(x.shape) < 0.9, 0.0, x),
    }[kind].astype(np.float32)  # fmt: skip
    got = choose_range(seen(*torch.from_numpy(x).split(100)), plan("mse", bits, symmetric))
    exact = x.astype(np.float64).ravel()
    assert squared_error(exact, *got, bits, symmetric) <= 1.01 * brute_force(exact, bits, symmetric)


def test_zeros_are_no_part_of_the_error():
    """A coarse bin would lend them one, and there are many behind a ReLU."""
    rng = np.random.default_rng(6)
    x = np.where(rng.random((4000, 1)) < 0.97, 0.0, rng.normal(size=(4000, 1))).astype(np.float32)
    observer = Observer(1, bins=64)
    observer.update(torch.from_numpy(x))
    exact = x.astype(np.float64).ravel()
    for bits in (4, 5):
        got = choose_range(observer.stats(), plan("mse", bits))
        assert squared_error(exact, *got, bits, False) <= 1.1 * brute_force(exact, bits, False)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_degenerate_tensors(method, symmetric):
    for value in (0.0, 0.7, -0.7, 1e-45, 3.4e38):
        low, high = choose_range(seen(torch.full((3, 2), value)), plan(method, symmetric=symmetric))
        assert low <= min(0.0, np.float32(value) * 0.99)
        assert high >= max(0.0, np.float32(value) * 0.99)


@pytest.mark.parametrize("method", METHODS)
def test_a_masks_constant_gives_a_finite_range(method):
    x = torch.randn(100, 3)
    x[::2] = -3.4e38
    low, high = choose_range(seen(x), plan(method))
    assert math.isfinite(high - low)


@pytest.mark.parametrize("method", METHODS)
def test_nan_and_inf_have_no_say(method):
    x = torch.randn(300, 3)
    x[7, 1] = 0.0
    clean = choose_range(seen(x[:7], x[8:]), plan(method))
    damaged = x.clone()
    damaged[7] = torch.tensor([math.nan, math.inf, -math.inf])
    assert choose_range(seen(damaged[:7], damaged[7:8], damaged[8:]), plan(method)) == clean


@pytest.mark.parametrize("method", METHODS)
def test_nothing_finite_is_refused(method):
    for stats, text in ((seen(torch.full((2, 2), math.nan)), "only NaN or Inf"), (seen(), "nothing")):
        with pytest.raises(NumericError, match=rf"{text}.*layer blocks\.1.*calibration data"):
            choose_range(stats, plan(method), layer="blocks.1")


values = st.one_of(st.floats(-8, 8, width=32), st.floats(allow_nan=False, allow_infinity=False, width=32))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(2)), elements=values),
    st.sampled_from(METHODS),
    st.integers(2, 8),
    st.booleans(),
)
@example(np.array([[1e-45, -1e-45]], np.float32), "octav", 4, False)
@example(np.array([[1e-45, 3e-45]], np.float32), "entropy", 2, True)
@example(np.array([[100.0, 100.00001]], np.float32), "entropy", 8, False)
@example(np.array([[16777216.0, 16777218.0]], np.float32), "mse", 8, True)
@example(np.array([[-3.4028234663852886e38, 3.4028234663852886e38]], np.float32), "aciq_gauss", 8, False)
def test_any_range_holds_zero_is_not_empty_and_no_wider_than_what_was_seen(x, method, bits, symmetric):
    low, high = choose_range(seen(torch.from_numpy(x)), plan(method, bits, symmetric))
    assert min(x.min(), 0.0) <= low <= 0.0 <= high <= max(x.max(), 0.0)
    assert low < high or not x.any()
