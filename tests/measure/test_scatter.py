"""Outputs counted in squares, held against loops and numpy's least squares."""

import math

import numpy as np
import pytest
import torch

from qdebug.measure import scatter
from qdebug.measure.scatter import BINS, Scatter, stride_of


def counted(pairs, **options):
    found = Scatter(len(pairs))
    for take in (found.see, found.count):
        for one, two in pairs:
            take(one, two)
    return found.finish("fc", 8, in_place=False, **options)


def batches(seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(3):
        x = torch.randn(4, 5, 6, generator=generator) * spread
        found.append((x, 0.9 * x + 0.05 + 0.02 * torch.randn(4, 5, 6, generator=generator)))
    return found


def test_every_pair_is_counted_in_the_square_where_it_lies():
    pairs = batches()
    found = counted(pairs)
    x, y = (np.concatenate([pair[side].double().numpy().ravel() for pair in pairs]) for side in (0, 1))
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    assert (found.low, found.high, found.stretch) == (low, high, None)
    expected = np.zeros((BINS, BINS))
    for a, b in zip(x, y, strict=True):
        column, row = (min(BINS - 1, int((v - low) / (high - low) * BINS)) for v in (a, b))
        expected[row, column] += 1
    assert (found.cells.values == expected).all()
    slope, offset = np.polyfit(x, y, 1)
    assert (found.slope, found.offset) == pytest.approx((slope, offset), abs=1e-9)
    assert found.shift == pytest.approx((y - x).mean())
    assert found.deviation == pytest.approx(x.std())
    assert found.sqnr_db == pytest.approx(10 * math.log10((x**2).sum() / ((y - x) ** 2).sum()))
    assert (found.n, found.of, found.samples, found.left_out) == (360, 360, 8, 0)


def test_where_one_value_is_far_from_all_others_the_axes_are_stretched():
    pairs = batches()
    pairs[1][0][0, 0, 0] = 500.0
    found = counted(pairs)
    x = np.concatenate([pair[0].double().numpy().ravel() for pair in pairs])
    assert found.stretch == pytest.approx(x.std())
    even = [pairs[0], (pairs[1][0].clamp(max=10), pairs[1][1]), pairs[2]]
    assert counted(even).stretch is None
    middle = found.cells.values.sum(0)
    low, high = (math.asinh(end / found.stretch) for end in (found.low, found.high))
    columns = np.zeros(BINS)
    for value in x:
        columns[min(BINS - 1, int((math.asinh(value / found.stretch) - low) / (high - low) * BINS))] += 1
    assert middle.tolist() == columns.tolist()


def test_what_is_no_number_is_left_out_and_said():
    x, y = torch.tensor([[1.0, float("nan"), 3.0, 4.0]]), torch.tensor([[1.0, 2.0, float("inf"), 5.0]])
    found = counted([(x, y)])
    assert (found.n, found.left_out, found.of) == (2, 2, 4)
    assert (found.low, found.high) == (1.0, 5.0)
    nothing = counted([(torch.full((1, 2), float("nan")), torch.zeros(1, 2))])
    assert (nothing.n, nothing.low, nothing.high, nothing.slope) == (0, 0.0, 0.0, None)


def test_a_constant_output_has_no_slope():
    found = counted([(torch.full((2, 3), 7.0), torch.full((2, 3), 6.5))])
    assert (found.slope, found.offset, found.shift) == (None, None, -0.5)
    assert found.cells.values.sum() == 6


def test_of_many_values_every_channel_is_counted_alike(monkeypatch):
    monkeypatch.setattr(scatter, "MOST", 3000)
    x = torch.arange(8.0).expand(100, 20, 8).contiguous()
    found = counted([(x, x)] * 2)
    assert found.of == 32000
    assert found.n <= 3000
    columns = found.cells.values.sum(0)
    assert sorted(set(columns[columns > 0].tolist())) == pytest.approx([found.n / 8] * 2, rel=0.02)
    for most in (1, 7, 50, 3000, 10**9):
        stride = stride_of(x, most)
        assert stride == 1 or math.gcd(stride, 160) == 1
