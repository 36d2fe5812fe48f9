"""Pruned weights keep what they should and stay zero; factorized ones are the best of their rank."""

from __future__ import annotations

import itertools

import pytest
import torch

from qdebug.formats import FORMATS
from qdebug.quantize import quantize_weight, weight_grid
from qdebug.quantize.reduction import keep_mask, pruned, thin_factors
from qdebug.recipes import TensorPlan, parse_weight_format
from qdebug.recipes.check import has_zero
from qdebug.recipes.sparsity import parse_sparsity


def some(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kept", "of"), [(2, 4), (1, 4), (4, 8), (1, 2), (3, 5)])
def test_groups_keep_the_best_of_all_choices(kept, of):
    """By brute force: of every way to keep N of M weights, the one that leaves the most of their squares."""
    w = some(6, 4 * of, seed=of)
    found = pruned(w, f"{kept}:{of}")
    for row, left in zip(w.split(1), found.split(1), strict=True):
        for group, some_left in zip(row[0].split(of), left[0].split(of), strict=True):
            best = max(itertools.combinations(range(of), kept), key=lambda one: float(group[list(one)].square().sum()))
            assert set(torch.nonzero(some_left).flatten().tolist()) == set(best)
            assert torch.equal(some_left[list(best)], group[list(best)])


@pytest.mark.parametrize(("shape", "out_axis", "in_axis"), [((8, 12), 0, 1), ((12, 8), 1, 0), ((12, 8), -1, -2),
                                                             ((8, 12, 3, 3), 0, 1), ((12, 8, 3, 3), 1, 0)])  # fmt: skip
def test_groups_are_of_input_channels(shape, out_axis, in_axis):
    w = some(*shape)
    mask = keep_mask(w, parse_sparsity("2:4"), out_axis)
    assert mask.shape == w.shape
    channels = mask.movedim(in_axis, -1)
    assert bool((channels.unflatten(-1, (-1, 4)).sum(-1) == 2).all())


def test_channels_beyond_the_last_whole_group_stay():
    w = some(5, 7)
    assert keep_mask(w, parse_sparsity("1:4"))[:, 4:].all()
    assert keep_mask(w, parse_sparsity("1:4"))[:, :4].sum() == 5
    assert keep_mask(some(4, 3, 3, 3), parse_sparsity("2:4")).all()


@pytest.mark.parametrize(("text", "count"), [("50%", 48), ("37.5%", 36), ("99%", 95), ("1%", 0)])
def test_a_share_prunes_the_smallest(text, count):
    w = some(8, 12)
    found = pruned(w, text)
    assert int((found == 0).sum()) == count
    gone, left = w[found == 0].abs(), w[found != 0].abs()
    assert not count or float(gone.max()) <= float(left.min())


def test_equal_magnitudes_are_counted_too():
    assert int((pruned(torch.ones(4, 8), "50%") == 0).sum()) == 16
    assert int((pruned(-torch.ones(4, 8), "2:4") == 0).sum()) == 16


@pytest.mark.parametrize("text", [
    "int8", "int4-pc", "int4g8-affine", "int3g8", "int2-pc", "fp8_e4m3fn-pc", "fp4g8", "nf4g16", "mxfp4", "nvfp4",
    "fp16", "bf16", "int4-pc-stochastic", "int4g8-affine-floor", "int4g8-dq", "ternary-pc", "ternary_twn-pc",
])  # fmt: skip
@pytest.mark.parametrize("sparsity", ["2:4", "50%"])
def test_what_is_pruned_stays_zero_when_it_is_rounded(text, sparsity):
    w = some(16, 32)
    gone = ~keep_mask(w, parse_sparsity(sparsity))
    values, _ = quantize_weight(w, parse_weight_format(f"{text}@{sparsity}"))
    assert bool((values[gone] == 0).all())
    plain, _ = quantize_weight(w.masked_fill(gone, 0.0), parse_weight_format(text))
    assert torch.equal(values, plain)
    assert bool(gone.any())


def test_formats_that_take_a_mask_hold_zero():
    """Every format that is said to hold zero gives zeros back, whatever stands beside them."""
    w = some(8, 512)
    w[:, ::3] = 0.0
    for name, form in FORMATS.items():
        if has_zero(form):
            values, _ = quantize_weight(w, TensorPlan(name))
            assert bool((values[:, ::3] == 0).all()), name


def test_ranges_are_those_of_what_is_left():
    w = some(4, 8)
    w[:, 0], w[:, 1:] = -0.1, w[:, 1:].abs() + 1
    grid = weight_grid(w, parse_weight_format("int4-pc-affine@2:4"))
    assert bool((grid.clip_min.abs() < 1e-6).all())


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_two_factors_are_the_truncated_decomposition(rank):
    w = some(20, 32)
    left, right = thin_factors(w, rank)
    assert left.shape == (20, rank) and right.shape == (rank, 32)
    values = torch.linalg.svdvals(w.double())
    assert float((w - left @ right).square().sum()) == pytest.approx(float(values[rank:].square().sum()), rel=1e-5)
    stored, grid = quantize_weight(w, TensorPlan("fp32", rank=rank))
    assert grid is None and torch.allclose(stored, left @ right, atol=1e-5)


def test_each_factor_is_quantized():
    w = some(32, 48)
    found, grid = quantize_weight(w, parse_weight_format("int4-pc@r5"))
    left, right = (quantize_weight(part, parse_weight_format("int4-pc"))[0] for part in thin_factors(w, 5))
    assert grid is None and torch.allclose(found, left @ right, atol=1e-5)
    assert int(torch.linalg.matrix_rank(found.double(), rtol=1e-5)) == 5


def test_factors_that_hold_no_fewer_values_are_not_made():
    w = some(8, 8)
    plain, _ = quantize_weight(w, parse_weight_format("int4-pc"))
    whole, grid = quantize_weight(w, parse_weight_format("int4-pc@r4"))
    assert torch.equal(whole, plain) and grid is not None


def test_factors_of_weights_in_any_order():
    w = some(6, 20, 3, 3)
    found, _ = quantize_weight(w, TensorPlan("fp32", rank=2), 1)
    matrix = found.movedim(1, 0).reshape(20, -1)
    assert int(torch.linalg.matrix_rank(matrix.double(), rtol=1e-5)) == 2
    assert found.shape == w.shape and found.stride() == w.stride()
