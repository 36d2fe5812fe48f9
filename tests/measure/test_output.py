import math

import pytest
import torch

from qdebug.measure import OutputAccumulator

SHAPES = [((6, 5, 4, 3), 1), ((6, 7), -1), ((3, 4, 8), -1), ((4, 1, 9), 1)]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_against_float64(path, shape, axis, last):
    y, yq = torch.randn(shape) + 1, torch.randn(shape) * 0.1
    yq = y + yq
    if last and len(shape) == 4:
        yq = yq.contiguous(memory_format=torch.channels_last)
    found = OutputAccumulator(axis)
    for parts in zip(y.split([1, 2, len(y) - 3]), yq.split([1, 2, len(y) - 3]), strict=True):
        found.add(*parts)
    error = yq.double() - y.double()
    shift = error.movedim(axis, 0).reshape(shape[axis], -1).mean(1)
    assert found.shift == pytest.approx(shift.tolist(), rel=1e-9, abs=1e-12)
    sqnr = 20 * math.log10(y.double().norm() / error.norm())
    assert found.sqnr_db == pytest.approx(sqnr, rel=1e-9)
    assert found.mse == pytest.approx(float(error.square().mean()), rel=1e-9)
    result = found.finish(cumulative_sqnr_db=12.0)
    assert result.mean_shift == pytest.approx((shift.abs().mean() / y.double().std(correction=0)).item(), rel=1e-6)
    assert (result.sqnr_db, result.cumulative_sqnr_db) == (found.sqnr_db, 12.0)


def test_no_error_and_no_signal(path):
    y = torch.randn(4, 3)
    same = OutputAccumulator(1)
    same.add(y, y.clone())
    assert same.finish().sqnr_db is None
    assert same.finish().mean_shift == 0
    silent = OutputAccumulator(1)
    silent.add(torch.zeros(4, 3), y)
    assert silent.finish().sqnr_db is None
    assert silent.finish().mean_shift == 0, "a shift in units of nothing"
    assert OutputAccumulator(1).finish().mean_shift == 0
    assert OutputAccumulator(1).shift == ()


def test_nan_and_inf_count_for_nothing(path):
    y = torch.randn(4, 3)
    yq = y + 0.5
    yq[0, 0], yq[1, 1], yq[2, 2] = math.nan, math.inf, -math.inf
    found = OutputAccumulator(1)
    found.add(y, yq)
    result = found.finish()
    assert math.isfinite(result.sqnr_db)
    assert math.isfinite(result.mean_shift)
