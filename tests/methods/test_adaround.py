"""AdaRound against every rounding of small layers, autograd and rounding to nearest, and on whole models."""

from __future__ import annotations

import itertools

import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import Cancelled
from qdebug.methods.adaround import GAMMA, ZETA, Softened, adaround, beta_at
from qdebug.methods.objectives import Quadratic, Sampled
from qdebug.quantize import fake_quantize, rows, weight_grid
from qdebug.quantize.neighbours import neighbours
from qdebug.recipes import AdaRound, Recipe, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def some(height, columns, samples, seed=0):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=random)
    x = torch.randn(samples, columns, generator=random) @ mixing
    return torch.randn(height, columns, generator=random), x, x + 0.05 * torch.randn(x.shape, generator=random)


def grid_of(weight, text):
    grid = weight_grid(weight, parse_weight_format(text))
    assert grid is not None
    return grid


def quadratic(weight, x, seen):
    gram = (seen.T @ seen / len(x)).double()[None]
    shift = ((seen - x) @ weight.T).double()
    return Quadratic(weight, gram, shift.T @ seen.double() / len(x), shift.square().mean(0))


def behind_relu(weight, x, seen, batch=64):
    bias = torch.linspace(-1, 1, len(weight))
    return Sampled(seen[None], (x @ weight.T + bias).relu()[None], bias.view(1, 1, -1), (0.0, torch.inf), batch)


FORMATS = ["int4", "int3-pc", "int4g16", "int3g16-affine", "nf4g16", "fp4-pc", "mxfp4", "nvfp4"]


@pytest.mark.parametrize("text", FORMATS)
def test_a_values_neighbours_are_the_levels_around_it(text):
    weight, *_ = some(12, 48, 10)
    grid = grid_of(weight * torch.rand(12, 1), text)
    below, above = neighbours(weight, grid)
    for level in (below, above):
        assert torch.equal(fake_quantize(level, grid), level)
    nearest = fake_quantize(weight, grid)
    assert bool(((nearest == below) | (nearest == above)).all())
    between = above > below
    assert bool(((below <= weight) & (weight <= above) | ~between).all())
    inside = below + 0.5 * (above - below)
    middle = fake_quantize(inside, grid)
    assert bool(((middle == below) | (middle == above)).all())


def test_the_error_of_a_quadratic_objective_is_that_of_all_rows():
    weight, x, seen = some(6, 20, 300)
    values = fake_quantize(weight, grid_of(weight, "int3"))
    off = (seen @ values.T).double() - (x @ weight.T).double()
    assert torch.allclose(quadratic(weight, x, seen).errors(values), off.square().mean(0), rtol=1e-4)


@pytest.mark.parametrize("make", [quadratic, behind_relu])
def test_slopes_are_autograds(make):
    weight, x, seen = some(6, 20, 64)
    values = weight + 0.1
    found = make(weight, x, seen).slope(values, 0)
    asked = values.clone().requires_grad_()
    if make is quadratic:
        off = seen @ asked.T - x @ weight.T
    else:
        bias = torch.linspace(-1, 1, 6)
        off = (seen @ asked.T + bias).relu() - (x @ weight.T + bias).relu()
    off.square().sum(1).mean().backward()
    assert torch.allclose(found, asked.grad, rtol=1e-3, atol=1e-3 * float(found.abs().max()))


@pytest.mark.parametrize("beta", [None, 2.0, 7.5])
def test_the_soft_choices_slope_is_autograds(beta):
    weight, *_ = some(5, 12, 4)
    below, above = neighbours(weight, grid_of(weight, "int3"))
    soft = Softened(weight, below, above - below)
    assert torch.allclose(soft.values()[above > below], weight[above > below], atol=1e-5)
    soft.v += 3 * torch.linspace(-1, 1, 60).view(5, 12)
    soft.values()
    slope = torch.linspace(-2, 1, 60).view(5, 12)
    v = soft.v.clone().requires_grad_()
    share = (torch.sigmoid(v) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
    loss = (slope * share).sum()
    if beta is not None:
        loss = loss + 0.3 * (1 - (2 * share - 1).abs() ** beta).sum()
    loss.backward()
    assert torch.allclose(soft.slope(slope.clone(), 0.3, beta), v.grad, atol=1e-5)


def test_beta_falls_from_20_to_2_behind_the_warm_up():
    betas = [beta_at(turn, 100, 0.2) for turn in range(100)]
    assert betas[:20] == [None] * 20
    late = [beta for beta in betas if beta is not None]
    assert late[0] == 20 and late[-1] == pytest.approx(2, abs=0.1) and late == sorted(late, reverse=True)


@pytest.mark.parametrize("make", [quadratic, behind_relu])
@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("iterations", [1, 200])
def test_no_row_is_further_off_than_by_rounding_to_nearest(make, text, iterations):
    weight, x, seen = some(12, 48, 300)
    grid, aim = grid_of(weight, text), make(weight, x, seen)
    values = adaround(weight, grid, aim, AdaRound(iterations=iterations))
    assert torch.equal(fake_quantize(values, grid), values)
    nearest = fake_quantize(weight, grid)
    assert bool((aim.errors(values) <= aim.errors(nearest)).all())
    if iterations > 1:
        assert float(aim.errors(values).sum()) < 0.8 * float(aim.errors(nearest).sum())


def test_it_finds_the_best_of_all_roundings_for_most_rows():
    equal = 0
    for seed in range(10):
        weight, x, seen = some(3, 8, 200, seed)
        grid, aim = grid_of(weight, "int3"), quadratic(weight, x, seen)
        below, above = neighbours(weight, grid)
        every = [
            aim.errors(torch.where(torch.tensor(up), above, below)) for up in itertools.product([False, True], repeat=8)
        ]
        best = torch.stack(every).amin(0)
        found = aim.errors(adaround(weight, grid, aim, AdaRound()))
        equal += int((found <= best * (1 + 1e-9)).sum())
    assert equal >= 20  # of 30 rows


def test_the_same_seed_gives_the_same_rounding():
    def rounded(threads):
        usual = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            session = open_model(seeded(Residual), data_for(Residual))
            sheet = session.preparer.sheet(
                Recipe(default=parse_plan("w3a8"), fixes=(AdaRound(iterations=60, batch=32),)), Work()
            )
            return {step: one.values for step, one in sheet.overlay.rounded.items()}
        finally:
            torch.set_num_threads(usual)

    once, again = rounded(1), rounded(2)
    assert once and all(torch.equal(once[step], again[step]) for step in once)


def test_it_can_be_stopped_and_says_how_far_the_error_has_come_down():
    seen = []
    work = Work(lambda progress: (seen.append(progress), work.cancel() if "AdaRound" in progress.text else None))
    session = open_model(seeded(Residual), data_for(Residual))
    with pytest.raises(Cancelled):
        session.preparer.sheet(Recipe(default=parse_plan("w3a16"), fixes=(AdaRound(),)), work)
    assert "% of nearest rounding's" in seen[-1].text


@pytest.mark.parametrize(
    ("kind", "fix", "plan"),
    [
        (Residual, AdaRound(iterations=20), "w3a16"),
        (Residual, AdaRound(iterations=20, sequential=False), "w4a8"),
        (Attention, AdaRound(iterations=20), "w4g8a8"),
    ],
)
def test_a_models_layers_are_on_their_grids(kind, fix, plan):
    session = open_model(seeded(kind), data_for(kind))
    sheet = session.preparer.sheet(Recipe(default=parse_plan(plan), fixes=(fix,)), Work())
    layers = [layer for layer in session.subject.layers if layer.kind != "embedding"]
    assert layers
    for layer in layers:
        rounded = sheet.rounded(layer.step)
        assert rounded is not None
        lying = rows(rounded.values, layer.out_axis).contiguous()
        assert torch.equal(fake_quantize(lying, rounded.grid), lying)
        given = rows(sheet.constant(layer.weight, session.subject.engine.cache), layer.out_axis).contiguous()
        below, above = neighbours(given, rounded.grid)
        assert bool(((lying == below) | (lying == above)).all())
