"""Rounding half away from zero, down, and stochastically."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdebug.formats import Integer, find
from qdebug.quantize import activation_quantizer, fake_quantize, fake_quantize_activation, quantize_weight, rounding
from qdebug.quantize.levels import level_grid
from qdebug.quantize.modes import cast_by, uniform
from qdebug.quantize.qparams import QParams
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import arrays, finite, same_bytes

FORMATS = (
    "int2",
    "int4",
    "int8",
    "uint4",
    "fp4",
    "fp6_e3m2",
    "fp8_e4m3fn",
    "fp8_e5m2",
    "fp8_e4m3fnuz",
    "nf4",
    "apot4",
    "log2_4",
)
MODES = ("half_away", "floor", "stochastic")


def grid_of(name, scale, zero_point=0):
    form = find(name)
    scale = torch.tensor(scale, dtype=torch.float32)
    if isinstance(form, Integer):
        low, high = form.codes(symmetric=zero_point == 0)
        return QParams(scale, torch.tensor(float(zero_point)), low, high)
    return level_grid(form, scale)


def levels_of(grid):
    """The grid in units of its scale, ascending, as exact numbers."""
    if isinstance(grid, QParams):
        return [Fraction(code - int(grid.zero_point)) for code in range(grid.qmin, grid.qmax + 1)]
    return [Fraction(level.item()) for level in grid.levels]


def by_the_book(x, grid, mode):
    """In exact arithmetic on the float32 quotient; a value that is a real of the grid stays."""
    levels, scale = levels_of(grid), np.float32(grid.scale.item())
    reals = {float(np.float32(float(level)) * scale) for level in levels}
    if float(x) in reals:
        return float(x)
    with np.errstate(over="ignore"):
        t = np.float32(x) / scale
    if not math.isfinite(t):
        return float(np.float32(float(levels[-1 if t > 0 else 0])) * scale)
    t = Fraction(float(t))
    below = max((level for level in levels if level <= t), default=levels[0])
    above = min((level for level in levels if level >= t), default=levels[-1])
    if t < levels[0] or t > levels[-1] or below == above:
        level = levels[0] if t < levels[0] else levels[-1] if t > levels[-1] else below
    elif mode == "floor":
        level = below
    else:
        nearer = (t - below) - (above - t)
        level = above if nearer > 0 or (nearer == 0 and below + above > 0) else below
    return float(np.float32(float(level)) * scale)


@pytest.mark.parametrize("mode", ["half_away", "floor"])
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25)
@given(x=arrays(finite, 20), scale=st.sampled_from([1.0, 0.25, 0.1, 1e-20, 3e30]), zero_point=st.integers(0, 3))
def test_against_exact_arithmetic(name, mode, x, scale, zero_point):
    grid = grid_of(name, scale, zero_point if name == "uint4" else 0)
    x = np.concatenate([x, np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], np.float32) * np.float32(scale)])
    got = fake_quantize(torch.from_numpy(x), grid, rounding=mode)
    assert got.tolist() == [by_the_book(value, grid, mode) for value in x]


def test_half_away_by_hand():
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -2.51, 300.0, -300.0])
    got = fake_quantize(x, grid_of("int8", 1.0), rounding="half_away")
    assert got.tolist() == [1, 2, 3, -1, -2, -3, 0, -3, 127, -128]
    got = fake_quantize(x, grid_of("int8", 1.0), rounding="floor")
    assert got.tolist() == [0, 1, 2, -1, -2, -3, 0, -3, 127, -128]
    # between 2 and 3, 3 and 4, 4 and 6
    got = fake_quantize(torch.tensor([2.5, 3.5, 5.0, -5.0, 5.9, -5.9]), grid_of("fp4", 1.0), rounding="half_away")
    assert got.tolist() == [3, 4, 6, -6, 6, -6]
    got = fake_quantize(torch.tensor([2.5, 3.5, 5.0, -5.0, 5.9, 0.2, -0.2]), grid_of("fp4", 1.0), rounding="floor")
    assert got.tolist() == [2, 3, 4, -6, 4, 0, -0.5]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_on_the_grid_stays(name, mode):
    """At any scale, though a rounded product over its scale may lie an ulp below the level."""
    for scale in np.random.default_rng(0).uniform(1, 2, 30).astype(np.float32):
        grid = grid_of(name, float(scale))
        reals = torch.tensor([float(level) for level in levels_of(grid)]) * scale
        assert same_bytes(fake_quantize(reals, grid, rounding=mode), reals + 0.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FORMATS)
def test_nan_and_inf(name, mode):
    grid = grid_of(name, 0.5)
    got = fake_quantize(torch.tensor([math.nan, math.inf, -math.inf]), grid, rounding=mode)
    assert math.isnan(got[0])
    assert got[1:].tolist() == [float(grid.clip_max), float(grid.clip_min)]


@pytest.mark.parametrize("name", FORMATS)
def test_stochastic_takes_a_neighbour_and_is_right_on_average(name):
    """Each seed is one toss of a coin with the odds of the part of the way: six standard deviations of their mean."""
    seeds = 400
    scale = 0.25
    grid = grid_of(name, scale)
    low, high = float(grid.clip_min), float(grid.clip_max)
    x = torch.rand(64, generator=torch.Generator().manual_seed(1)) * (high - low) + low
    found = torch.stack([fake_quantize(x, grid, rounding="stochastic", seed=seed) for seed in range(seeds)]).double()
    reals = np.array([float(level) * scale for level in levels_of(grid)], np.float32).astype(np.float64)
    above = np.searchsorted(reals, x.double().numpy()).clip(1, len(reals) - 1)
    low, high = (torch.from_numpy(reals[places]) for places in (above - 1, above))
    assert ((found == low) | (found == high)).all()
    odds = (x.double() - low) / (high - low)
    deviation = (high - low) * (odds * (1 - odds) / seeds).sqrt()
    assert ((found.mean(0) - x).abs() <= 6 * deviation + 1e-6).all()
    assert abs(((found.mean(0) - x) / (high - low)).mean()) < 6 * 0.5 / math.sqrt(seeds * 64)


def test_the_seed_decides():
    w = torch.randn(20, 30)
    one, two, other = (quantize_weight(w, TensorPlan("int4", rounding="stochastic", seed=s))[0] for s in (5, 5, 6))
    assert same_bytes(one, two)
    assert (one != other).double().mean() > 0.1


@pytest.mark.parametrize("name", ["int4", "fp8_e4m3fn", "bf16", "mxfp4", "nvfp4"])
def test_neither_batches_nor_memory_order_matter(name):
    x = torch.randn(6, 32, 4, 4)
    plan = TensorPlan(name, rounding="stochastic", seed=2, dynamic=name in ("int4", "fp8_e4m3fn"))
    whole = fake_quantize_activation(x, plan)
    for size in (1, 4):
        assert same_bytes(torch.cat([fake_quantize_activation(part, plan) for part in x.split(size)]), whole)
    last = x.contiguous(memory_format=torch.channels_last)
    got = fake_quantize_activation(last, plan)
    assert same_bytes(got, whole)
    assert got.stride() == last.stride()
    assert torch.equal(fake_quantize_activation(x[:1].repeat(2, 1, 1, 1), plan)[0], whole[0])


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_pieces_of_a_large_tensor_draw_other_numbers(rows, monkeypatch):
    """The work is cut into chunks; how, changes nothing."""
    from qdebug.quantize import modes
    from qdebug.quantize.tiles import tiles

    x = torch.full((rows, 40), 0.5)
    grid = grid_of("int4", 1.0)
    whole = fake_quantize(x, grid, rounding="stochastic")
    per_row = QParams(torch.ones(rows, 1), torch.zeros(rows, 1), -8, 7)
    groups = QParams(torch.ones(rows, 8), torch.zeros(rows, 8), -8, 7, 5)
    for most in (100, 13, 3):  # several rows, part of one, less than a group
        monkeypatch.setattr(modes, "tiles", partial(tiles, most=most))
        for same in (grid, per_row, groups):
            assert same_bytes(fake_quantize(x, same, rounding="stochastic"), whole)
    assert abs(whole.mean() - 0.5) < 6 * 0.5 / math.sqrt(40 * rows)


def test_numbers_for_equal_values_are_uniform():
    """A quarter of a million places: each of 256 bins, each of 32 bits, and neighbours without a relation."""
    n = 1 << 18
    place = torch.arange(n)
    for value in (0.0, 0.5, -1.0, 1e-45):
        found = uniform(torch.full((n,), value), place, 7)
        assert ((found >= 0) & (found < 1)).all()
        counts = torch.bincount((found * 256).long(), minlength=256).double()
        chi = ((counts - n / 256).square() / (n / 256)).sum()
        assert abs(chi - 255) < 6 * math.sqrt(2 * 255)
        words = (found * 2.0**32).long()
        ones = torch.stack([(words >> bit & 1).double().mean() for bit in range(32)])
        assert (ones - 0.5).abs().max() < 6 * 0.5 / math.sqrt(n)
        for lag in (1, 2, 32, 4096):
            pair = torch.stack([found[lag:], found[:-lag]])
            assert abs(torch.corrcoef(pair)[0, 1]) < 6 / math.sqrt(n)


def test_numbers_of_other_seeds_and_values_are_others():
    n = 1 << 16
    place = torch.arange(n)
    streams = [uniform(torch.full((n,), value), place, seed) for seed in (0, 1, 2) for value in (0.5, 0.50000006, -0.5)]
    table = torch.corrcoef(torch.stack(streams)) - torch.eye(len(streams))
    assert table.abs().max() < 6 / math.sqrt(n)


@pytest.mark.parametrize("name", ["fp16", "bf16", "tf32"])
def test_casts(name):
    x = torch.cat([torch.randn(1000), torch.tensor([1e-7, -1e-7, 3.4e38, -3.4e38, 0.0, -0.0])])
    form = find(name)
    down, up = cast_by(x, form, "floor", 0).double(), -cast_by(-x, form, "floor", 0).double()
    inside = x.abs() <= form.largest
    assert (down[inside] <= x.double()[inside]).all()
    assert (up[inside] >= x.double()[inside]).all()
    assert ((up - down)[:1000] <= x[:1000].double().abs() * 2.0**-form.mantissa_bits + form.smallest).all()
    assert down[~inside].abs().eq(form.largest).all()
    found = torch.stack([cast_by(x, form, "stochastic", seed) for seed in range(50)]).double()
    assert ((found == down) | (found == up)).all()
    assert (found.mean(0) - x.double())[:1000].mean().abs() < 1e-3
    away = cast_by(torch.tensor([1 + 2.0 ** -(form.mantissa_bits + 1)]), form, "half_away", 0)
    assert away.item() == 1 + 2.0**-form.mantissa_bits


def test_half_to_even_has_a_path_of_its_own(monkeypatch):
    """The modes never see it: it is the fast path."""
    monkeypatch.setattr(rounding, "round_by", None)
    assert fake_quantize(torch.tensor([0.5, 1.5]), grid_of("int8", 1.0)).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("name", ["bf16", "int8", "mxfp4"])
@pytest.mark.parametrize("mode", MODES)
def test_results_are_written_where_asked(name, mode):
    plan = TensorPlan(name, rounding=mode, dynamic=name == "int8")
    x = torch.randn(3, 40)
    expected = fake_quantize_activation(x, plan)
    activate = activation_quantizer(plan)
    out = torch.empty_like(x)
    assert activate(x, out) is out
    assert same_bytes(out, expected)
    assert activate(x, x) is x
    assert same_bytes(x, expected)
    empty = torch.empty(0, 40)
    assert activate(empty, empty).shape == (0, 40)
