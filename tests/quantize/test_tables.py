"""Formats whose levels are a table: the published numbers, and the nearest of them."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from qdebug.formats import find
from qdebug.quantize import quantize_weight
from qdebug.quantize.levels import level_grid, round_to_levels
from qdebug.recipes import TensorPlan
from tests.quantize.paths import both_ways
from tests.quantize.tensors import anything, same_bytes, tensors

# QLoRA (arXiv 2305.14314), appendix E.
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip

TABLES = ("nf4", "apot3", "apot4", "apot5", "log2_3", "log2_4", "log2_5")


def normal_quantiles():
    """NormalFloat by its making: quantiles of N(0, 1) on either side of zero up to the same tail, over the largest.

    The tail, 0.9677083, is the mean of 1 − 1/(2 · 15) and 1 − 1/(2 · 16), as in bitsandbytes' table.
    """
    tail = 0.9677083
    assert tail == pytest.approx(((1 - 1 / 30) + (1 - 1 / 32)) / 2, abs=1e-7)
    above = norm.ppf(np.linspace(0.5, tail, 9))
    below = -norm.ppf(np.linspace(0.5, tail, 8))
    return np.sort(np.concatenate([below[1:], above])) / above[-1]


def apot(terms):
    """All sums of one number of each term, over the largest, with both signs (arXiv 1909.13144, equation 5)."""
    sums = {sum(parts) for parts in itertools.product(*terms)}
    return sorted({sign * total / max(sums) for total in sums for sign in (1, -1)})


def rounded(x, grid, size):
    out = torch.empty_like(x)
    round_to_levels(x, out, grid, size)
    return out


def powers(*exponents):
    return [Fraction(0), *(Fraction(1, 2**e) for e in exponents)]


def test_published_levels():
    assert list(find("nf4").levels) == NF4
    assert np.abs(normal_quantiles() - NF4).max() < 1e-6
    assert all(level == np.float32(level) for level in NF4)
    # n terms of k = 2 bits: {0, 2^−i, 2^−(i+n), 2^−(i+2n)}; 4 bits have one such term and one of a single bit
    published = {
        3: apot([powers(1, 2, 3)]), 4: apot([powers(1, 2, 4), powers(3)]), 5: apot([powers(1, 3, 5), powers(2, 4, 6)]),
    }  # fmt: skip
    for bits, expected in published.items():
        assert list(find(f"apot{bits}").levels) == [float(level) for level in expected]
        assert len(expected) == 2**bits - 1  # zero has two codes
        assert max(expected) == 1
    for bits in (3, 4, 5):
        exponents = range(2 ** (bits - 1) - 1)
        expected = sorted([0.0, *(sign * 2.0**-e for e in exponents for sign in (1, -1))])
        assert list(find(f"log2_{bits}").levels) == expected


@pytest.mark.parametrize("name", TABLES)
@given(t=st.floats(-1.25, 1.25, width=32))
def test_the_nearest_level_and_of_two_the_lower(name, t):
    reals = [float(np.float32(level)) for level in find(name).levels]
    expected = min(reals, key=lambda real: (abs(Fraction(real) - Fraction(t)), real))
    for got in both_ways(rounded, torch.tensor([[t]]), level_grid(find(name), torch.ones(())), 1):
        assert got.item() == expected


@pytest.mark.parametrize("name", TABLES)
def test_half_way_goes_down(path, name):
    """Exactly half-way between two levels, and one float32 to either side of it."""
    reals = torch.tensor(find(name).levels, dtype=torch.float32)
    middle = (reals[1:].double() + reals[:-1].double()) / 2
    exact = middle.float().double() == middle
    assert exact.any()
    grid = level_grid(find(name), torch.ones(()))
    for t, expected in ((middle.float(), reals[:-1]), (torch.nextafter(middle.float(), torch.tensor(2.0)), reals[1:])):
        assert torch.equal(rounded(t.view(1, -1), grid, len(middle))[0][exact], expected[exact])


def by_the_book(w, plan):
    """Every scale group by itself, in float64: absmax gets the largest level."""
    reals = np.array(find(plan.format).levels, np.float32).astype(np.float64)
    matrix = w.view(w.shape[0], -1).double().numpy()
    size = {"channel": matrix.shape[1], "group": plan.group_size}.get(plan.granularity)
    out, scales = np.empty_like(matrix), np.empty_like(matrix)
    for r, row in enumerate(matrix):
        for start in range(0, len(row), size or len(row)):
            part = slice(start, start + (size or len(row)))
            most = np.abs(row[part]).max() if size else np.abs(matrix).max()
            scale = float(np.float32(most / reals.max())) or 1.0
            scales[r, part] = scale
            out[r, part] = reals[np.abs(row[part, None] / scale - reals).argmin(1)] * scale
    return out.reshape(w.shape), scales.reshape(w.shape)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("granularity", "size"), [("tensor", 0), ("channel", 0), ("group", 8), ("group", 7)])
def test_every_granularity(path, name, granularity, size):
    w = torch.randn(5, 10, 3) * torch.logspace(-2, 2, 5).view(5, 1, 1)
    plan = TensorPlan(name, granularity, size)
    got, grid = quantize_weight(w, plan)
    expected, scales = by_the_book(w, plan)
    off, other = (np.abs(values - w.double().numpy()) for values in (got.double().numpy(), expected))
    assert (np.abs(off - other) <= 1e-6 * scales).all()  # equal but for ties that float32 moved
    assert (np.abs(got.double().numpy() - expected) <= 1e-6 * scales).mean() > 0.99
    shape = {"tensor": (), "channel": (5, 1), "group": (5, math.ceil(30 / (size or 30)))}[granularity]
    assert tuple(grid.scale.shape) == shape


@pytest.mark.parametrize("name", [*TABLES, "fp8_e4m3fn", "fp8_e5m2", "fp6_e3m2", "fp4", "fp8_e4m3fnuz"])
@settings(max_examples=40)
@given(x=tensors(anything))
def test_both_paths_write_the_same_bytes(name, x):
    matrix = torch.stack([x, x.flip(0)])
    for size in (len(x), 3):
        count = -(-len(x) // size)
        grid = level_grid(find(name), torch.logspace(-3, 3, 2 * count).view(2, count), size)
        assert same_bytes(*both_ways(rounded, matrix, grid, size))


@pytest.mark.parametrize("columns", [1, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("size", [1, 32, 1000, 5000])
def test_long_rows_are_cut_in_the_right_places(columns, size):
    x = torch.randn(2, columns)
    scale = torch.rand(2, -(-columns // size)) + 0.1
    for name in ("nf4", "fp4"):
        assert same_bytes(*both_ways(rounded, x, level_grid(find(name), scale, size), size))
