"""AdaQuant against autograd and rounding to nearest, and on whole models."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import Cancelled
from qdebug.methods.adaquant import _summed, adaquant
from qdebug.methods.input_steps import Example, learn_step, slopes
from qdebug.methods.inputs import Design
from qdebug.methods.learned_steps import LearnedStep
from qdebug.methods.objectives import Quadratic
from qdebug.quantize import QParams, fake_quantize, rows, weight_grid
from qdebug.quantize.neighbours import ends
from qdebug.recipes import AdaQuant, Recipe, TensorPlan, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def some(height, columns, samples, seed=0):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=random)
    x = torch.randn(samples, columns, generator=random) @ mixing + 1
    return torch.randn(height, columns, generator=random), x, x + 0.05 * torch.randn(x.shape, generator=random)


def centred(weight, x, seen):
    seen, shift = seen.double(), ((seen - x) @ weight.T).double()
    mean, off = seen.mean(0), shift.mean(0)
    gram = seen.T @ seen / len(x) - torch.outer(mean, mean)
    lean = shift.T @ seen / len(x) - torch.outer(off, mean)
    return Quadratic(weight, gram[None], lean, shift.square().mean(0) - off.square(), (mean[None], off))


def grid_of(weight, text):
    grid = weight_grid(weight, parse_weight_format(text))
    assert grid is not None
    return grid


def test_with_the_best_bias_the_error_is_the_variance_of_the_outputs_change():
    weight, x, seen = some(6, 20, 300)
    values = fake_quantize(weight, grid_of(weight, "int3"))
    aim = centred(weight, x, seen)
    off = (seen @ values.T).double() - (x @ weight.T).double()
    assert torch.allclose(aim.errors(values), off.var(0, correction=0), rtol=1e-4)
    assert torch.allclose(aim.shift(values), -off.mean(0), atol=1e-4)


def test_slope_and_errors_of_one_product_are_those_of_two():
    weight, x, seen = some(6, 20, 300)
    aim, values = centred(weight, x, seen), fake_quantize(weight, grid_of(weight, "int3"))
    slope, errors = aim.both(values)
    assert torch.allclose(slope, aim.slope(values, 0), rtol=1e-5, atol=1e-5)
    assert torch.allclose(errors.double(), aim.errors(values), rtol=1e-4)


@pytest.mark.parametrize("text", ["int3", "int3g16-affine", "nf4g16", "mxfp4", "nvfp4"])
def test_a_grids_ends_are_what_large_values_are_rounded_to(text):
    weight, *_ = some(8, 40, 10)
    grid = grid_of(weight, text)
    low, high = ends(weight, grid)
    for end, far in ((low, -1e6), (high, 1e6)):
        assert torch.allclose(fake_quantize(torch.full_like(weight, far), grid), end, rtol=1e-6)


def test_it_finds_the_best_of_all_codes_for_most_rows_of_four():
    equal = 0
    every = torch.tensor(list(itertools.product(range(-3, 4), repeat=4))).float()
    for seed in range(10):
        weight, x, seen = some(3, 4, 200, seed)
        grid = grid_of(weight, "int3-pc")
        values, _ = adaquant(weight, grid, centred(weight, x, seen), AdaQuant(scale_rate=0))
        for row, chosen, scale in zip(weight, values, grid.scale, strict=True):

            def variance(candidates, row=row, x=x, seen=seen):
                return (seen.double() @ candidates.double().T - (x @ row).double()[:, None]).var(0, correction=0)

            best, found = variance(every * scale).min(), variance(chosen[None])[0]
            nearest = variance(fake_quantize(row[None], QParams(scale[None], torch.zeros(1, 1), -3, 3)))[0]
            assert best * (1 - 1e-6) <= found <= nearest * (1 + 1e-4)
            equal += bool(found <= best * (1 + 1e-4))
    assert equal >= 18  # of 30 rows


def test_a_scale_learned_alone_is_about_the_best_of_a_search():
    weight, x, seen = some(8, 40, 300)
    aim, grid = centred(weight, x, seen), grid_of(weight, "int3")
    nearest = float(aim.errors(fake_quantize(weight, grid)).sum())
    searched = min(
        float(
            aim.errors(fake_quantize(weight, QParams(grid.scale * part, grid.zero_point, grid.qmin, grid.qmax))).sum()
        )
        for part in torch.linspace(0.3, 1.2, 181).tolist()
    )
    values, _ = adaquant(weight, grid, aim, AdaQuant(learning_rate=0))
    assert float(aim.errors(values).sum()) <= searched + 0.1 * (nearest - searched)


@pytest.mark.parametrize("text", ["int3", "int3-pc", "int3g16", "int4g16-affine", "nf4g16", "mxfp4"])
@pytest.mark.parametrize("iterations", [0, 200])
def test_the_objective_is_not_above_that_of_rounding_to_nearest(text, iterations):
    weight, x, seen = some(8, 40, 300)
    aim, grid = centred(weight, x, seen), grid_of(weight, text)
    values, found = adaquant(weight, grid, aim, AdaQuant(iterations=iterations))
    assert torch.allclose(fake_quantize(values, found), values, rtol=1e-6, atol=0)
    nearest = float(aim.errors(fake_quantize(weight, grid)).sum())
    assert float(aim.errors(values).sum()) <= (0.9 if iterations else 1) * nearest


@pytest.mark.parametrize("text", ["int3", "int3-pc", "int3g16"])
def test_a_scales_slope_is_the_sum_over_its_values(text):
    weight, *_ = some(4, 40, 10)
    grid = grid_of(weight, text)
    slope = torch.linspace(-1, 1, 160).view(4, 40)
    found = _summed(slope, grid)
    assert found.shape == grid.scale.shape
    assert torch.allclose(found.sum(), slope.sum(), atol=1e-4)
    if grid.group_size:
        assert torch.allclose(found[:, 2], slope[:, 32:].sum(1))


@pytest.mark.parametrize("bias", [True, False])
def test_a_models_layers_are_on_their_new_grids_and_biases_change_where_asked(bias):
    session = open_model(seeded(Residual), data_for(Residual))
    fix = AdaQuant(iterations=60, bias=bias)
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w3a8"), fixes=(fix,)), Work())
    assert bool(sheet.overlay.biases or sheet.overlay.tensors) == bias
    for layer in session.subject.layers:
        rounded = sheet.rounded(layer.step)
        assert rounded is not None
        lying = rows(rounded.values, layer.out_axis).contiguous()
        assert torch.allclose(fake_quantize(lying, rounded.grid), lying, rtol=1e-6, atol=0)


def example(weight, x, seen):
    layer = open_model(seeded(Residual), data_for(Residual)).subject.layers[0]
    return Example(Design(layer, 1, None), seen[None], (x @ weight.T)[None])


class Still:
    """A weight that does not move."""

    def __init__(self, weight):
        self._weight = weight

    def values(self):
        return self._weight

    def step(self, slope, values, part):
        pass


@pytest.mark.parametrize("centred", [True, False])
def test_the_inputs_slope_is_that_of_equation_2(centred):
    """∂x̂/∂log Δ is x̂ − x inside of the limits and x̂ outside; the rest is the chain rule, in float64."""
    weight, x, seen = some(6, 20, 64)
    grid = QParams(torch.tensor(0.9), torch.tensor(7.0), 0, 15)
    slope, pull = slopes(LearnedStep(grid), example(weight, x, seen), weight, slice(0, 64), centred=centred)
    rounded = fake_quantize(seen, grid).double()
    off = rounded @ weight.T.double() - (x @ weight.T).double()
    off = off - off.mean(0) if centred else off
    inside = (seen >= grid.clip_min) & (seen <= grid.clip_max)
    assert 0.1 < float((~inside).double().mean()) < 0.9
    moved = torch.where(inside, rounded - seen, rounded)
    assert torch.allclose(slope.double(), 2 * off.T @ rounded / 64, rtol=1e-4, atol=1e-4)
    assert float(pull) == pytest.approx(float((2 * off @ weight.double() * moved).sum() / 64), rel=1e-4)


def test_an_inputs_step_learned_alone_is_about_the_best_of_a_search():
    weight, x, _ = some(6, 20, 512)
    first = QParams(x.abs().max() / 2, torch.tensor(8.0), 0, 15)

    def error(scale):
        found = fake_quantize(x, QParams(scale, first.zero_point, 0, 15))
        return float((((found - x) @ weight.T).double()).square().sum())

    step = LearnedStep(first)
    learn_step(step, [example(weight, x, x)], [Still(weight)], AdaQuant(iterations=2000, step_rate=0.01, bias=False))
    tried = [error(first.scale * factor) for factor in torch.linspace(0.02, 1, 400)]
    assert error(step.grid().scale) <= 1.05 * min(tried) < 0.6 * error(first.scale)


def test_a_cancel_is_heard_while_an_inputs_step_is_learned():
    weight, x, _ = some(6, 20, 64)
    work, turns = Work(), []

    class Seen(Still):
        def values(self):
            turns.append(len(turns))
            if len(turns) == 3:
                work.cancel()
            return super().values()

    step = LearnedStep(QParams(torch.tensor(0.9), torch.tensor(7.0), 0, 15))
    with pytest.raises(Cancelled):
        learn_step(step, [example(weight, x, x)], [Seen(weight)], AdaQuant(iterations=100), work)
    assert len(turns) == 3


def test_steps_of_static_inputs_are_learned_where_nothing_else_hangs_on_them():
    session = open_model(seeded(Residual), data_for(Residual))

    def scales(recipe):
        quants = session.preparer.sheet(recipe, Work()).quants
        return [float(quants[layer.step].activation.scale) for layer in session.subject.layers]

    def of(plan, *fixes, **more):
        return scales(Recipe(default=parse_plan(plan), fixes=fixes, **more))

    plain, learned = of("w4a4"), of("w4a4", AdaQuant(iterations=40))
    assert sum(one != two for one, two in zip(plain, learned, strict=True)) > len(plain) / 2
    assert of("w4a4", AdaQuant(iterations=40, steps=False)) == plain
    between = TensorPlan("int8", symmetric=False)
    assert of("w4a4", AdaQuant(iterations=40), between=between) == of("w4a4", between=between)


def test_layers_that_read_one_value_learn_one_step():
    session = open_model(seeded(Attention), data_for(Attention))
    recipe = Recipe(default=parse_plan("w4a4"), fixes=(AdaQuant(iterations=20),))
    quants = session.preparer.sheet(recipe, Work()).quants
    found = {}
    for layer in session.subject.layers:
        if layer.kind != "embedding":
            found.setdefault(layer.x, set()).add(float(quants[layer.step].activation.scale))
    assert all(len(scales) == 1 for scales in found.values())


def test_learned_steps_lower_the_error_of_the_model():
    session = open_model("digits-resnet")
    with_steps, without = (
        session.errors(Recipe(default=parse_plan("w4a4"), fixes=(AdaQuant(iterations=100, steps=steps),)),
                       session.subject.calib_batches).mean()
        for steps in (True, False)
    )  # fmt: skip
    assert with_steps < without


def test_a_step_that_makes_layers_worse_is_not_taken(monkeypatch):
    """A step learned to be far too large: the layers keep the calibrated one, and what rounding there is best."""
    session = open_model(seeded(Residual), data_for(Residual))
    recipe = Recipe(default=parse_plan("w4a4"), fixes=(AdaQuant(iterations=20),))
    monkeypatch.setattr(LearnedStep, "grid", lambda self: replace(self._grid, scale=self._grid.scale * 50))
    quants = session.preparer.sheet(recipe, Work()).quants
    plain = session.preparer.sheet(Recipe(default=recipe.default), Work()).quants
    for layer in session.subject.layers:
        assert quants[layer.step].activation.scale == plain[layer.step].activation.scale
