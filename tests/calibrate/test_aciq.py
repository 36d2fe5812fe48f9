"""Analytic clipping: the published table, the published formulas, and data that follow the model."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from qdebug.calibrate import Observer, choose_range
from qdebug.quantize.ranges.aciq import clip_ratio
from qdebug.recipes import TensorPlan

PUBLISHED = {  # Banner et al. 2019; cut, not rounded, after two digits in places
    "laplace": [2.83, 3.89, 5.03, 6.20, 7.41, 8.64, 9.89],
    "gauss": [1.71, 2.15, 2.55, 2.93, 3.28, 3.61, 3.92],
}
DENSITY = {"laplace": stats.laplace, "gauss": stats.norm}


@pytest.mark.parametrize("density", PUBLISHED)
def test_the_published_table(density):
    for bits, ratio in zip(range(2, 9), PUBLISHED[density], strict=True):
        assert clip_ratio(density, bits) == pytest.approx(ratio, abs=0.01)


def error(density, ratio, bits):
    """Expected squared error at unit spread: clipping integrated numerically, a twelfth of the squared step."""
    clipping = integrate.quad(lambda x: (x - ratio) ** 2 * DENSITY[density].pdf(x), ratio, ratio + 60, epsabs=1e-16)[0]
    return 2 * clipping + (2 * ratio / 2**bits) ** 2 / 12


@pytest.mark.parametrize("density", PUBLISHED)
@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_it_is_the_minimum_of_the_error(density, bits):
    best = clip_ratio(density, bits)
    for other in (0.97 * best, 1.03 * best):
        assert error(density, best, bits) < error(density, other, bits)


def test_any_number_of_bits_has_its_limit():
    for density in PUBLISHED:
        ratios = [clip_ratio(density, bits) for bits in range(1, 25)]
        assert all(one < other for one, other in pairwise(ratios))
    with pytest.raises(ValueError, match="0 bits"):
        clip_ratio("gauss", 0)


def chosen(x, method, bits, symmetric):
    observer = Observer(1)
    observer.update(torch.from_numpy(x.astype(np.float32)).view(-1, 1))
    return choose_range(observer.stats(), TensorPlan(f"int{bits}", symmetric=symmetric, range=f"aciq_{method}"))


def draw(density):
    return DENSITY[density].rvs(size=200_000, random_state=4)


@pytest.mark.parametrize("density", PUBLISHED)
@pytest.mark.parametrize("bits", [2, 4])
def test_on_data_that_follow_the_model(density, bits):
    x, ratio = 3.0 * draw(density), clip_ratio(density, bits)
    assert chosen(x, density, bits, True) == pytest.approx((-3 * ratio, 3 * ratio), rel=0.01)
    # about the mean on an affine grid
    assert chosen(x + 1.5, density, bits, False) == pytest.approx(
        (1.5 - 3 * ratio, 1.5 + 3 * ratio), rel=0.01, abs=0.02
    )


@pytest.mark.parametrize("density", PUBLISHED)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("extra_zeros", [0, 100_000])
def test_behind_a_relu_the_limit_is_that_of_one_more_bit(density, sign, extra_zeros):
    x = np.append(np.maximum(3.0 * draw(density), 0.0), np.zeros(extra_zeros)) * sign
    affine, symmetric = chosen(x, density, 4, False), chosen(x, density, 4, True)
    one, other = 3 * clip_ratio(density, 5), 3 * clip_ratio(density, 4)
    expected = [(0.0, limit) if sign > 0 else (-limit, 0.0) for limit in (one, other)]
    assert affine == pytest.approx(expected[0], rel=0.01)
    assert symmetric == pytest.approx(expected[1], rel=0.01)


def test_not_beyond_what_was_seen():
    x = np.random.default_rng(0).uniform(-1, 1, 1000)
    low, high = chosen(x, "gauss", 8, False)
    assert (low, high) == (np.float32(x.min()), np.float32(x.max()))


def test_deviations_are_right_to_within_half_a_bin():
    x = draw("laplace").astype(np.float32)
    observer = Observer(1)
    observer.update(torch.from_numpy(x).view(-1, 1))
    seen = observer.stats()
    for center in (0.0, 0.7, seen.mean):
        assert abs(seen.deviation(center) - np.abs(x.astype(float) - center).mean()) <= seen.width / 2
    assert Observer(1).stats().deviation(1.0) == 0.0
    assert math.isclose(seen.deviation(100.0), 100.0 - seen.mean, rel_tol=1e-3)
