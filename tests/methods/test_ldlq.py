"""LDLQ: the paper's feedback, GPTQ's numbers, the loss that its theorem bounds; with incoherence best at 2 bits."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import NumericError
from qdebug.methods.gptq import gptq
from qdebug.methods.ldlq import ldl, ldlq
from qdebug.quantize import QParams, Rotated, fake_quantize, rows
from qdebug.recipes import Gptq, Hadamard, Ldlq, Recipe, parse_plan
from qdebug.session import open as open_model
from tests.methods.problems import grid_of, some
from tests.networks import Attention, Residual, data_for, seeded


def loss(values, weight, hessian):
    off = (values - weight).double()
    return float(((off @ hessian) * off).sum())


@pytest.mark.parametrize("text", ["int4", "int2-pc", "int3g16-affine", "nf4g16", "mxfp4", "nvfp4"])
@pytest.mark.parametrize("block", [5, 128])
def test_it_gives_the_values_of_gptq(text, block):
    weight, hessian = some(16, 64, 300)
    grid = grid_of(weight, text)
    assert torch.equal(ldlq(weight, hessian, grid, block=block), gptq(weight, hessian, grid)[0])


@pytest.mark.parametrize("dead", [(), (3, 17)])
def test_the_factors_are_those_of_the_hessian(dead):
    _, hessian = some(4, 24, 100)
    for one in dead:
        hessian[one] = hessian[:, one] = 0
    feedback, diagonal = ldl(hessian, 0.01)
    one_each = torch.eye(24, dtype=torch.float64)
    unit = feedback + one_each
    expected = hessian + 0.01 * hessian.diagonal().mean() * one_each
    found = unit @ torch.diag(diagonal) @ unit.T
    for one in dead:
        found[one, one] = expected[one, one]
        assert not feedback[one].any() and not feedback[:, one].any()
    assert torch.equal(feedback, feedback.triu(1))
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_what_the_theorem_bounds(seed):
    """Without clipping every rounding error η is at most half a step, and the loss is the sum of η² D (section 3)."""
    weight, hessian = some(16, 48, 400, seed)
    step = 0.5
    grid = QParams(torch.tensor(step), torch.tensor(0.0), -1000, 1000)
    fraction = 1e-9
    values = ldlq(weight, hessian, grid, damping=fraction)
    feedback, diagonal = ldl(hessian, fraction)
    steps = (weight - values).double() @ (feedback + torch.eye(48))  # what each rounding itself has lost
    assert float(steps.abs().max()) <= step / 2 + 1e-5
    found = loss(values, weight, hessian)
    assert found == pytest.approx(float((steps.square() * diagonal).sum()), rel=1e-5)
    assert found <= 16 / 4 * step**2 * float(diagonal.sum())
    assert found < loss(fake_quantize(weight, grid), weight, hessian)


def test_infinite_inputs_are_refused():
    weight, hessian = some(4, 8, 20)
    hessian[0, 0] = torch.inf
    with pytest.raises(NumericError, match="NaN or Inf"):
        ldlq(weight, hessian, grid_of(weight, "int4"), layer="fc")


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("fixes", [(), (Hadamard(),)])
def test_in_a_model_it_is_gptq_too_and_in_the_basis_before_it(kind, fixes):
    session = open_model(seeded(kind), data_for(kind))
    weights = []
    for last in (Gptq(guard=False), Ldlq()):
        sheet = session.preparer.sheet(Recipe(default=parse_plan("w3a16"), fixes=(*fixes, last)), Work())
        weights.append(sheet.overlay.rounded)
    assert weights[0].keys() == weights[1].keys() and weights[0]
    for step, one in weights[0].items():
        two = weights[1][step]
        apart = (one.values - two.values).abs() > 1e-4
        assert apart.float().mean() < 0.05  # of 64 weights a few: a tie may fall the other way, and those behind it
        assert one.basis == two.basis


@pytest.mark.parametrize("seed", range(3))
def test_at_two_bits_a_layer_with_outliers_is_best_rotated_and_with_feedback(seed):
    weight, hessian = some(64, 128, 600, seed)
    random = torch.Generator().manual_seed(seed)
    weight[torch.rand(64, 128, generator=random) < 0.01] *= 15
    turned, basis = Rotated(seed).into(weight), Rotated(seed)
    there = basis.into(basis.into(hessian).T.contiguous())
    plain, rotated = grid_of(weight, "int2-pc"), grid_of(turned, "int2-pc")
    nearest, alone = fake_quantize(weight, plain), gptq(weight, hessian, plain)[0]
    both = basis.back(ldlq(turned, there, rotated))
    assert loss(both, weight, hessian) < 0.8 * min(loss(nearest, weight, hessian), loss(alone, weight, hessian))
    assert torch.allclose(basis.into(rows(both, 0)), fake_quantize(basis.into(both), rotated), atol=1e-5)
