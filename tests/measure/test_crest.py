import math

import numpy as np
import pytest
import torch

from qdebug.measure import crest as room
from qdebug.measure.crest import (
    E2M1,
    E2M3,
    E4M3,
    NV_OVERHEAD,
    crest_factors,
    float_qsnr,
    integer_qsnr,
    measured_crossing,
    theoretical_crossing,
)

E2M1_GRID = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
E2M3_GRID = torch.cat([torch.arange(16) / 8, 2 + torch.arange(8) / 4, 4 + torch.arange(8) / 2])
E4M3_GRID = torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn).float()  # 0 … 448


def _normal(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _nearest(x, scale, grid):
    """Each value to the nearest of ± grid, with one scale a block."""
    codes = torch.bucketize((x / scale).abs(), (grid[1:] + grid[:-1]) / 2)
    return grid[codes] * x.sign() * scale


def _int4(x):
    return _nearest(x, x.abs().amax(1, keepdim=True) / 7, torch.arange(8.0))


def _fp4(x):
    return _nearest(x, x.abs().amax(1, keepdim=True) / 6, E2M1_GRID)


def _power_of_two(steps, grid):
    def quantize(x):
        return _nearest(x, 2.0 ** torch.ceil(torch.log2(x.abs().amax(1, keepdim=True) / steps)), grid)

    return quantize


def _crests(x):
    return (x.abs().amax(1) / x.square().mean(1).sqrt()).double()


def test_blocks_by_hand():
    """Blocks of four: all alike 1, a single value √4, 3-4-0-0 4 / 2.5, zeros and NaN and Inf left out."""
    x = torch.tensor([[2.0, -2, 2, -2, 0, 0, 7, 0], [3, -4, 0, 0, 0, 0, 0, 0], [1, math.nan, 0, 0, 1, math.inf, 0, 0]])
    found = crest_factors(x, 4, levels=[0, 0.5, 1], bins=2)
    np.testing.assert_allclose(found.quantiles, [1.0, 1.6, 2.0], rtol=1e-12)
    np.testing.assert_allclose(found.edges, [1.0, 1.5, 2.0])
    assert found.counts.tolist() == [1, 2]
    assert (found.skipped_zero, found.skipped_nonfinite) == (1, 2)


def test_the_last_block_of_a_row_may_be_shorter():
    x = torch.tensor([[1.0, 1, 1, 5, 5], [0, 9, 0, 0, 0]])
    found = crest_factors(x, 3, levels=[0, 1])
    assert found.counts.sum() == 3
    assert found.skipped_zero == 1
    np.testing.assert_allclose(found.quantiles, [1.0, math.sqrt(3)])


def test_a_block_as_long_as_a_row_or_of_one_value():
    x = _normal(50, 24)
    np.testing.assert_allclose(crest_factors(x, 100, levels=[0.5]).quantiles, _crests(x).quantile(0.5), rtol=1e-6)
    assert crest_factors(x, 1).quantiles.tolist() == [1.0] * 5


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30])
def test_units_do_not_matter(scale):
    x = torch.tensor([[3.0, -4, 0, 0]]) * scale
    expected = float(x.double().abs().max() / x.double().div(1e-30).square().mean().sqrt() / 1e-30)
    assert crest_factors(x, 4).quantiles[2] == pytest.approx(expected, rel=1e-9)


def test_every_block_is_counted_whatever_the_chunks(monkeypatch):
    x = _normal(40, 70)
    x[3] = 0
    whole = crest_factors(x, 32)
    monkeypatch.setattr(room, "_CHUNK", 200)
    parts = crest_factors(x, 32)
    assert whole.counts.tolist() == parts.counts.tolist()
    assert whole.counts.sum() + whole.skipped_zero == 40 * 3
    np.testing.assert_array_equal(whole.quantiles, parts.quantiles)


def test_nothing_to_measure():
    found = crest_factors(torch.zeros(3, 8), 4)
    assert np.all(np.isnan(found.quantiles))
    assert (found.counts.sum(), found.skipped_zero) == (0, 6)
    assert crest_factors(torch.empty(0, 8), 4).counts.sum() == 0
    with pytest.raises(ValueError, match="matrix"):
        crest_factors(torch.ones(4), 4)


@pytest.mark.parametrize(
    ("width", "element", "options", "printed"),
    [
        (8, E4M3, {}, "7.55"), (6, E2M3, {}, "1.96"), (4, E2M1, {}, "2.04"),
        (4, E2M1, {"overhead": NV_OVERHEAD, "size": 16}, "2.39"),
    ],
)  # fmt: skip
def test_crossings_as_published(width, element, options, printed):
    """Chen et al. 2025 (arXiv 2510.25602)."""
    crossing = theoretical_crossing(width, element, **options)
    assert f"{crossing:.2f}" == printed
    assert integer_qsnr(crossing - 0.1, width, **options) > float_qsnr(crossing - 0.1, element, **options)
    assert integer_qsnr(crossing + 0.1, width, **options) < float_qsnr(crossing + 0.1, element, **options)


def test_the_theory_of_floats_against_rounding():
    """E2M1 with ideal scales on normal values whose scale is set by κ, not by the largest value of a block."""
    kappa = 2.5
    grid = torch.cat([E2M1_GRID, torch.tensor([8.0, 12, 16])])  # goes on, as the theory's normal values do
    x = _normal(1000, 1000).double()
    rounded = _nearest(x, torch.tensor(kappa / 6).double(), grid.double())
    measured = -10 * math.log10(float((x - rounded).square().mean() / x.square().mean()))
    assert float_qsnr(kappa, E2M1, overhead=1.0) == pytest.approx(measured, abs=0.35)


def test_a_crossing_that_is_known():
    """Errors of (κ / 10)² and (1 / 4)² of the power cross at 2.5 exactly."""

    def rising(x):
        return x * (1 - _crests(x).float()[:, None] / 10)

    found = measured_crossing(rising, lambda x: x * 0.75, size=32, blocks=40_000)
    assert found.crest == pytest.approx(2.5, abs=5e-3)
    assert found.low <= found.crest <= found.high


def test_the_interval_covers_what_many_blocks_give():
    exact = measured_crossing(_int4, _fp4, 16, blocks=400_000, seed=99)
    assert exact.high - exact.low < 0.02
    few = [measured_crossing(_int4, _fp4, 16, blocks=8_000, seed=seed) for seed in range(20)]
    assert sum(one.low <= exact.crest <= one.high for one in few) >= 16
    assert all(0.01 < one.high - one.low < 0.2 for one in few)


def test_int4_loses_earlier_than_the_theory_says():
    """The theory gives INT4 eight steps up to the peak; a symmetric one has seven."""
    found = measured_crossing(_int4, _fp4, 16, blocks=100_000)
    assert found.crest == pytest.approx(2.28, abs=0.02)
    assert found.high < theoretical_crossing(4, E2M1, overhead=1.0, size=16) - 0.1


def test_mx_formats_measured():
    """Blocks of 32 with scales of powers of two, rounded up: INT6 as in theory, INT4 earlier, INT8 never loses."""
    six = measured_crossing(_power_of_two(31, torch.arange(32.0)), _power_of_two(7.5, E2M3_GRID), 32, blocks=100_000)
    assert six.crest == pytest.approx(theoretical_crossing(6, E2M3), abs=0.07)
    four = measured_crossing(_power_of_two(7, torch.arange(8.0)), _power_of_two(6, E2M1_GRID), 32, blocks=50_000)
    assert four.crest < 1.85 < theoretical_crossing(4, E2M1)
    eight = measured_crossing(_power_of_two(127, torch.arange(128.0)), _power_of_two(448, E4M3_GRID), 32, blocks=20_000)
    assert eight.crest == eight.high == math.inf
    assert 3 < eight.low < math.sqrt(32) < theoretical_crossing(8, E4M3)


def test_a_float_quantizer_that_is_always_better():
    found = measured_crossing(lambda x: x * 0.5, lambda x: x * 0.9, size=8, blocks=4_000)
    assert found.crest == found.low == 0.0
    assert 1.0 < found.high < 1.6


def test_the_same_seed_gives_the_same_crossing():
    one, two, other = (measured_crossing(_int4, _fp4, 16, blocks=4_000, seed=seed) for seed in (1, 1, 2))
    assert one == two != other
