"""GPFQ against what its papers compute with the inputs at hand, and brute force over the levels of each step."""

from __future__ import annotations

import pytest
import torch

from qdebug.errors import NumericError
from qdebug.methods import feedback
from qdebug.methods.gpfq import gpfq
from qdebug.methods.nearest import no_further_than_nearest
from qdebug.quantize import fake_quantize, weight_grid
from qdebug.recipes import parse_weight_format


def some(rows, columns, samples, seed=0, noise=0.3):
    """A weight, its float inputs and its quantized ones."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, columns, generator=random) @ torch.randn(columns, columns, generator=random)
    off = torch.randn(samples, columns, generator=random) * noise
    return torch.randn(rows, columns, generator=random), x.double(), (x + off).double()


def grid_of(weight, text):
    grid = weight_grid(weight, parse_weight_format(text))
    assert grid is not None
    return grid


def path(weight, x, quantized, grid):
    """The papers' recursion, with u kept: ``q_t`` nearest to ⟨x̃_t, u + w_t x_t⟩ / ‖x̃_t‖²."""
    u = torch.zeros(len(weight), len(x), dtype=torch.float64)
    values = torch.zeros_like(weight)
    for t in range(weight.shape[1]):
        u = u + weight[:, t : t + 1].double() * x[:, t]
        best = u @ quantized[:, t] / quantized[:, t].square().sum()
        whole = weight.clone()
        whole[:, t] = best.float()
        values[:, t] = fake_quantize(whole, grid)[:, t]
        u = u - values[:, t : t + 1].double() * quantized[:, t]
    return values


@pytest.mark.parametrize("text", ["int4", "int3-pc", "int4g16-affine", "nf4g16", "fp4-pc", "mxfp4"])
@pytest.mark.parametrize("block", [7, 128])
def test_moments_give_the_papers_path(text, block):
    weight, x, quantized = some(12, 48, 200)
    grid = grid_of(weight, text)
    found = gpfq(weight, quantized.T @ quantized, quantized.T @ x, grid, block=block)
    assert torch.allclose(found, path(weight, x, quantized, grid), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_each_code_is_the_best_of_all_levels_for_the_output_so_far(seed):
    weight, x, quantized = some(3, 6, 40, seed)
    grid = grid_of(weight, "int2-pc")
    found = gpfq(weight, quantized.T @ quantized, quantized.T @ x, grid)
    span = torch.linspace(-9, 9, 2001).expand(3, -1).contiguous()
    for row in range(3):
        levels = torch.unique(fake_quantize(span, grid)[row]).double()
        u = torch.zeros(len(x), dtype=torch.float64)
        for t in range(6):
            u = u + weight[row, t].double() * x[:, t]
            left = u[None] - levels[:, None] * quantized[:, t]
            assert float(levels[left.square().sum(1).argmin()]) == float(found[row, t])
            u = u - found[row, t].double() * quantized[:, t]


@pytest.mark.parametrize("seed", range(3))
def test_the_output_is_nearer_to_the_float_one_than_with_nearest(seed):
    weight, x, quantized = some(32, 64, 400, seed)
    grid = grid_of(weight, "int4-pc")
    gram, cross = quantized.T @ quantized, quantized.T @ x
    found = gpfq(weight, gram, cross, grid)
    kept, _ = no_further_than_nearest(weight, (found, grid), grid, gram, cross)

    def error(values):
        return (x @ weight.double().T - quantized @ values.double().T).square().sum(0)

    nearest = error(fake_quantize(weight, grid))
    assert error(found).sum() < 0.9 * nearest.sum()
    assert bool((error(kept) <= nearest * (1 + 1e-5)).all())


def test_the_guard_takes_the_smaller_of_both_errors_in_each_row():
    weight, x, quantized = some(16, 32, 300)
    grid = grid_of(weight, "int4-pc")
    gram, cross = quantized.T @ quantized, quantized.T @ x
    other = fake_quantize(weight + 0.1, grid)
    kept, _ = no_further_than_nearest(weight, (other, grid), grid, gram, cross)

    def error(values):
        return (x @ weight.double().T - quantized @ values.double().T).square().sum(0)

    nearest = fake_quantize(weight, grid)
    expected = torch.where((error(other) > error(nearest))[:, None], nearest, other)
    assert torch.equal(kept, expected)


def test_an_input_that_is_always_zero_rounds_to_nearest():
    weight, x, quantized = some(8, 16, 60)
    quantized[:, 5] = 0
    grid = grid_of(weight, "int4-pc")
    found = gpfq(weight, quantized.T @ quantized, quantized.T @ x, grid)
    assert torch.equal(found[:, 5], fake_quantize(weight, grid)[:, 5])


def test_without_numba_it_gives_the_same_bytes(monkeypatch):
    weight, x, quantized = some(20, 32, 80)
    grid = grid_of(weight, "int3g16")
    gram, cross = quantized.T @ quantized, quantized.T @ x
    compiled = gpfq(weight, gram, cross, grid)
    monkeypatch.setattr(feedback, "kernels", None)
    assert torch.equal(gpfq(weight, gram, cross, grid), compiled)


def test_infinite_inputs_are_refused():
    weight, x, quantized = some(4, 8, 20)
    cross = quantized.T @ x
    cross[0, 0] = torch.inf
    with pytest.raises(NumericError, match="NaN or Inf"):
        gpfq(weight, quantized.T @ quantized, cross, grid_of(weight, "int4"), layer="fc")
