"""Ternary and binary weights, each by the rule of its paper."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.formats import find
from qdebug.quantize import quantize_weight
from qdebug.quantize.ternary import ternarize
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import arrays

NAMES = ("ternary_twn", "ternary", "binary", "ternary_3_4")


def twn(w, _):
    """Li et al. 2016: Δ = 0.7 · E|W|; α is the mean magnitude beyond Δ; codes are signs beyond Δ."""
    delta = 0.7 * np.abs(w).mean()
    beyond = np.abs(w) > delta
    return np.sign(w) * beyond, np.abs(w[beyond]).mean()


def absmean(w, _):
    """Ma et al. 2024: RoundClip(W / γ, −1, 1), γ = E|W|. numpy rounds half to even, as the authors' torch does."""
    gamma = np.abs(w).mean()
    return np.clip(np.rint(w / gamma), -1, 1), gamma


def xnor(w, _):
    """Rastegari et al. 2016: sign(W) · E|W|."""
    return np.where(w >= 0, 1.0, -1.0), np.abs(w).mean()


def three_of_four(w, run):
    """Huang et al. 2026: of each four along a row the smallest magnitude is dropped; α is the mean of the others'."""
    codes = np.where(w >= 0, 1.0, -1.0)
    for start in range(0, len(w), run):
        for place in range(start, start + min(run, len(w) - start) - 3, 4):
            codes[place + int(np.abs(w[place : place + 4]).argmin())] = 0.0
    return codes, np.abs(w[codes != 0]).mean()


RULES = {"ternary_twn": twn, "ternary": absmean, "binary": xnor, "ternary_3_4": three_of_four}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("granularity", "size"), [("tensor", 0), ("channel", 0), ("group", 8), ("group", 7), ("group", 3)]
)
@pytest.mark.parametrize("shape", [(6, 32), (5, 3, 3, 3), (4, 2), (1, 1)])
def test_against_the_paper_in_float64(name, granularity, size, shape):
    w = torch.randn(shape) * torch.logspace(-3, 3, shape[0]).view(-1, *[1] * (len(shape) - 1))
    got, grid = quantize_weight(w, TensorPlan(name, granularity, size))
    matrix = w.view(shape[0], -1).double().numpy()
    matrix = matrix.reshape(1, -1) if granularity == "tensor" else matrix
    codes, scales = np.empty_like(matrix), np.empty_like(matrix)
    step = size or matrix.shape[1]
    for row, start in itertools.product(range(len(matrix)), range(0, matrix.shape[1], step)):
        part = slice(start, start + step)
        codes[row, part], scales[row, part] = RULES[name](matrix[row, part], min(step, w[0].numel()))
    expected = (codes * scales).reshape(shape)
    assert np.abs(got.numpy() - expected).max() <= 1e-7 * scales.max()
    assert np.array_equal(np.sign(got.numpy()), codes.reshape(shape))
    spread = grid.scale.double().repeat_interleave(step, 1)[:, : matrix.shape[1]].numpy()
    assert np.abs(spread / scales - 1).max() < 1e-7


def test_by_hand():
    """Mean magnitude 1; 0.7 and 0.5 are the thresholds of the first two rules."""
    w = torch.tensor([[0.1, -0.6, 0.8, -2.5]])
    found = {name: quantize_weight(w, TensorPlan(name))[0][0].tolist() for name in NAMES}
    assert found == {
        "ternary_twn": [0.0, 0.0, pytest.approx(1.65), pytest.approx(-1.65)],
        "ternary": [0.0, -1.0, 1.0, -1.0],
        "binary": [1.0, -1.0, 1.0, -1.0],
        "ternary_3_4": [0.0, pytest.approx(-1.3), pytest.approx(1.3), pytest.approx(-1.3)],
    }


@given(w=arrays(st.floats(-4, 4, width=32), 40))
def test_no_other_scale_and_no_other_zeros_of_that_pattern_are_better(w):
    """The mean of the three largest magnitudes is the least squared error of all 3:4 patterns: by trying them."""
    w = w[: len(w) // 4 * 4][:8].astype(np.float64)
    if not w.any():
        return
    got = ternarize(torch.from_numpy(w).float().view(1, -1), find("ternary_3_4"), len(w))[0].double().numpy()[0]
    ours = np.square(got - w).sum()
    size = np.abs(w)
    for zeros in itertools.product(range(4), repeat=len(w) // 4):
        keep = np.ones(len(w))
        keep[[4 * i + zero for i, zero in enumerate(zeros)]] = 0
        scale = (keep * size).sum() / keep.sum()
        assert ours <= np.square(keep * scale - size).sum() * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("columns", [4, 12, 400])
def test_three_of_four_leaves_exactly_one_zero_in_each_four(columns):
    w = torch.randn(50, columns)
    w[0, :] = 1.0
    w[1, ::2] = 0.0
    w[2, 1::3] = -0.0
    w[3, 0] = math.inf
    codes = quantize_weight(w, TensorPlan("ternary_3_4", "channel"))[0].view(50, -1, 4).sign()
    assert ((codes == 0).sum(2) == 1).all()
    for granularity in ("channel", "tensor"):
        rest = quantize_weight(torch.randn(50, 7), TensorPlan("ternary_3_4", granularity))[0]
        assert ((rest[:, :4] == 0).sum(1) == 1).all()
        assert (rest[:, 4:] != 0).all()


def packed(codes):
    """Four codes with one zero as 5 bits: the place of the zero, and the signs of the others."""
    zero = codes.index(0)
    signs = [int(code < 0) for code in codes if code]
    return zero << 3 | signs[0] << 2 | signs[1] << 1 | signs[2]


def unpacked(word):
    signs = [-1 if word >> shift & 1 else 1 for shift in (2, 1, 0)]
    return [*signs[: word >> 3], 0, *signs[word >> 3 :]]


def test_32_states_fill_five_bits():
    """The 1.25 bits per weight of the card: every word of 5 bits is a state, and the quantizer reaches all of them."""
    states = [list(codes) for codes in itertools.product((-1, 0, 1), repeat=4) if codes.count(0) == 1]
    assert sorted(map(packed, states)) == list(range(32))
    assert all(unpacked(packed(state)) == state for state in states)
    w = torch.tensor(states, dtype=torch.float32).view(1, -1) + 0.01
    got = quantize_weight(w, TensorPlan("ternary_3_4"))[0].sign().int().view(-1, 4).tolist()
    assert got == states
    assert find("ternary_3_4").bits == 5 / 4
    reached = quantize_weight(torch.randn(1000, 4), TensorPlan("ternary_3_4"))[0].sign().int().tolist()
    assert {packed(codes) for codes in reached} == set(range(32))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_has_no_say(name):
    clean = torch.randn(2, 16)
    damaged = torch.cat([clean, torch.tensor([[math.nan], [-math.inf]])], 1)
    got, grid = quantize_weight(damaged, TensorPlan(name, "channel"))
    one, first = quantize_weight(clean, TensorPlan(name, "channel"))
    assert torch.equal(grid.scale, first.scale)
    assert torch.equal(got[:, :16], one)
    assert math.isnan(got[0, 16])
    assert got[1, 16] == -grid.scale[1, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (0, 0), (2, 3)])
def test_empty_and_short_rows(name, shape):
    for granularity in ("tensor", "channel"):
        assert quantize_weight(torch.ones(shape), TensorPlan(name, granularity))[0].shape == shape


@pytest.mark.parametrize("name", NAMES)
def test_zeros(name):
    got, grid = quantize_weight(torch.zeros(2, 8), TensorPlan(name, "channel"))
    if name == "binary":  # there is no zero among its levels
        assert (got.abs() == 2.0**-126).all()
    else:
        assert not got.any()
        assert (grid.scale == 1).all()
