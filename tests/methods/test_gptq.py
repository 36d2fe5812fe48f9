"""GPTQ against a plain float64 implementation and brute force; on whole models on the grid, and less wrong there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import MethodError, NumericError
from qdebug.methods import feedback
from qdebug.methods.gptq import gptq
from qdebug.methods.inputs import design_of, hessians
from qdebug.methods.nearest import no_further_than_nearest
from qdebug.quantize import fake_quantize, rows, weight_grid
from qdebug.recipes import Gpfq, Gptq, Recipe, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.methods.problems import grid_of, some
from tests.networks import Attention, Residual, data_for, seeded


def obs(weight, hessian, nearest, damping, reached=None):
    """Optimal brain surgery, which the paper starts from: one column at a time, the inverse shrunk each time.

    Returns the values, and what each column was when it was rounded.
    """
    left = weight.double().numpy().copy()
    columns = left.shape[1]
    inverse = np.linalg.inv(hessian + damping * np.diag(hessian).mean() * np.eye(columns))
    values, met = np.zeros_like(left), np.zeros_like(left)
    for column in range(columns):
        if reached is not None:
            reached(left, column)
        met[:, column] = left[:, column]
        values[:, column] = nearest(left, column)
        error = (left[:, column] - values[:, column]) / inverse[0, 0]
        left[:, column:] -= np.outer(error, inverse[0])
        inverse = inverse[1:, 1:] - np.outer(inverse[1:, 0], inverse[0, 1:]) / inverse[0, 0]
    return values, met


def nearest_on(grid, order=None):
    """Rounding of one column of a matrix whose columns are in an order, to the levels of that column in its grid."""

    def nearest(left, column):
        whole = torch.from_numpy(left.copy()).float()
        if order is None:
            return fake_quantize(whole, grid)[:, column].double().numpy()
        return fake_quantize(whole[:, order.argsort()], grid)[:, order[column]].double().numpy()

    return nearest


FORMATS = ["int4", "int3-pc", "int4g16", "int3g16-affine", "nf4g16", "fp4-pc", "mxfp4", "nvfp4"]


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("block", [7, 128])
def test_it_is_the_papers_update(text, block):
    weight, hessian = some(12, 48, 200)
    grid = grid_of(weight, text)
    expected, _ = obs(weight, hessian.numpy(), nearest_on(grid), 0.01)
    found, same = gptq(weight, hessian, grid, damping=0.01, block=block)
    assert same is grid
    assert torch.allclose(found.double(), torch.from_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("text", ["int4g32", "nf4-pc"])
def test_float32_gives_the_codes_of_float64_up_to_ties(text):
    """Where a row departs from the float64 one, its first such value was as far from two levels, up to 1e-6."""
    weight, hessian = some(64, 256, 1000)
    grid = grid_of(weight, text)
    expected, met = obs(weight, hessian.numpy(), nearest_on(grid), 0.01)
    expected, met = torch.from_numpy(expected), torch.from_numpy(met)
    found = gptq(weight, hessian, grid, damping=0.01)[0].double()
    other = (found - expected).abs() > 1e-6
    assert int(other.any(1).sum()) <= 3
    for row in other.any(1).nonzero()[:, 0].tolist():
        first = int(other[row].nonzero()[0])
        away = (found[row, first] - met[row, first]).abs() - (expected[row, first] - met[row, first]).abs()
        assert float(away.abs()) < 1e-6 * float(weight.abs().max())


def test_act_order_rounds_as_the_authors_do_with_groups_of_their_own_scales():
    """The Hessian and the weight permuted by the falling diagonal, each column with the scale of where it came from."""
    weight, hessian = some(12, 48, 200)
    grid = grid_of(weight, "int3g16")
    order = torch.argsort(hessian.diagonal(), descending=True)
    permuted = hessian[order][:, order].numpy()
    expected, _ = obs(weight[:, order], permuted, nearest_on(grid, order), 0.01)
    found, _ = gptq(weight, hessian, grid, act_order=True)
    assert torch.allclose(found[:, order].double(), torch.from_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("text", ["int3g16", "int4g16-affine", "nf4g16", "mxfp4"])
@pytest.mark.parametrize("block", [12, 128])
def test_updated_groups_take_their_scale_when_they_are_reached(text, block):
    weight, hessian = some(12, 80, 300)
    plan = parse_weight_format(text)
    grid = grid_of(weight, text)
    size, current = grid.group_size, {}

    def reached(left, column):
        if column % size == 0:
            current["grid"] = weight_grid(torch.from_numpy(left[:, column : column + size].copy()).float(), plan)

    def nearest(left, column):
        one = torch.from_numpy(left[:, column : column + 1].copy()).float()
        return fake_quantize(one, current["grid"])[:, 0].double().numpy()

    expected, _ = obs(weight, hessian.numpy(), nearest, 0.01, reached)
    found, new = gptq(weight, hessian, grid, block=block, regrid=lambda part: weight_grid(part, plan))
    assert torch.allclose(found.double(), torch.from_numpy(expected), atol=2e-6)
    assert new.scale.shape == grid.scale.shape and not torch.equal(new.scale, grid.scale)
    assert torch.equal(fake_quantize(found, new), found)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("act_order", [False, True])
def test_without_numba_it_gives_the_same_bytes(text, act_order, monkeypatch):
    weight, hessian = some(270, 40, 100)
    weight[3, 7], weight[4, 9] = torch.nan, torch.inf
    grid = grid_of(weight, text)
    compiled, _ = gptq(weight, hessian, grid, act_order=act_order, block=16)
    monkeypatch.setattr(feedback, "kernels", None)
    plain, _ = gptq(weight, hessian, grid, act_order=act_order, block=16)
    assert plain.numpy().tobytes() == compiled.numpy().tobytes()
    assert int(plain.isnan().sum()) == 1


@pytest.mark.parametrize("seed", range(5))
def test_tiny_layers_by_brute_force(seed):
    """The last column's code is the best of all for the others'; all codes together are between best and nearest."""
    weight, hessian = some(3, 4, 50, seed)
    grid = grid_of(weight, "int2-pc")
    found, _ = gptq(weight, hessian, grid, damping=1e-9)
    guarded, _ = no_further_than_nearest(weight, (found, grid), grid, hessian)
    for row in range(3):
        levels = torch.unique(fake_quantize(torch.linspace(-9, 9, 2001).expand(3, -1).contiguous(), grid)[row])
        every = torch.cartesian_prod(*[levels] * 4)

        def error(values, row=row):
            off = (values - weight[row]).double()
            return ((off @ hessian) * off).sum(-1)

        last = torch.cat([found[row, :3].expand(len(levels), 3), levels[:, None]], 1)
        assert torch.equal(last[error(last).argmin()], found[row])
        assert error(every).min() <= error(found[row]) + 1e-9
        assert error(guarded[row]) <= error(fake_quantize(weight, grid)[row]) * (1 + 1e-6)


def test_the_guard_keeps_nearest_only_in_rows_that_are_worse_off():
    weight, hessian = some(6, 32, 100)
    grid = grid_of(weight, "int4g16")
    found, new = gptq(weight, hessian, grid, regrid=lambda part: weight_grid(part, parse_weight_format("int4g16")))
    spoilt = found.clone()
    spoilt[2] = -found[2]
    kept, on = no_further_than_nearest(weight, (spoilt, new), grid, hessian)
    assert torch.equal(kept[2], fake_quantize(weight, grid)[2])
    assert torch.equal(on.scale[2], grid.scale[2])
    rest = [0, 1, 3, 4, 5]
    assert torch.equal(kept[rest], found[rest]) and torch.equal(on.scale[rest], new.scale[rest])


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_output_changes_less_than_by_rounding_to_nearest(act_order, seed):
    weight, hessian = some(16, 64, 400, seed)
    grid = grid_of(weight, "int3-pc")

    def change(values):
        off = (values - weight).double()
        return float(((off @ hessian) * off).sum())

    assert change(gptq(weight, hessian, grid, act_order=act_order)[0]) < 0.8 * change(fake_quantize(weight, grid))


def test_with_independent_inputs_it_rounds_to_nearest():
    weight, _ = some(8, 32, 10)
    grid = grid_of(weight, "int4-pc")
    assert torch.equal(gptq(weight, torch.eye(32).double(), grid)[0], fake_quantize(weight, grid))


def test_a_column_that_is_never_used_is_rounded_to_nearest():
    weight, hessian = some(8, 32, 100)
    hessian[5] = hessian[:, 5] = 0
    grid = grid_of(weight, "int4-pc")
    assert torch.equal(gptq(weight, hessian, grid)[0][:, 5], fake_quantize(weight, grid)[:, 5])


def test_infinite_inputs_are_refused():
    weight, hessian = some(4, 8, 20)
    hessian[0, 0] = torch.inf
    with pytest.raises(NumericError, match="NaN or Inf"):
        gptq(weight, hessian, grid_of(weight, "int4"), layer="fc")


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize(
    ("plan", "fix"),
    [("w3a16", Gptq()), ("w4a8", Gptq(act_order=True)), ("w3g4a16", Gptq(groups="updated")), ("w4a8", Gpfq())],
)
def test_each_layer_of_a_model_is_nearer_to_what_it_computed(kind, plan, fix):
    session = open_model(seeded(kind), data_for(kind))
    subject, preparer = session.subject, session.preparer
    plain, fixed = Recipe(default=parse_plan(plan)), Recipe(default=parse_plan(plan), fixes=(fix,))
    sheet, cache = preparer.sheet(fixed, Work()), subject.engine.cache
    assert sheet.overlay.rounded
    for layer in subject.layers:
        if layer.kind == "embedding":
            continue
        rounded = sheet.rounded(layer.step)
        assert rounded is not None
        lying = rows(rounded.values, layer.out_axis)
        assert torch.equal(fake_quantize(lying.contiguous(), rounded.grid), lying)
        nearest = preparer.sheet(plain, Work()).weight(layer, cache)
        weight = sheet.constant(layer.weight, cache)
        design = design_of(subject.engine, layer)

        def inputs(sheet, layer=layer, design=design):
            seen = [subject.engine.values(sheet, batch, (layer.x,))[layer.x] for batch in subject.calib_batches]
            pairs = zip(subject.calib_batches, seen, strict=True)
            return torch.cat([design.rows(batch.real_rows(one)) for batch, one in pairs], 1).double()

        x = inputs(sheet)
        if not preparer.sheet(plain, Work()).quants[layer.step].plan.activation.is_float32:
            x = sheet.quants[layer.step].activate(x.float()).double()

        meant = inputs(preparer.float_sheet) if isinstance(fix, Gpfq) else x

        def change(values, x=x, meant=meant, weight=weight, layer=layer, design=design):
            is_now, was = (rows(one, layer.out_axis).double() for one in (values, weight))
            return float((design.products(x, is_now) - design.products(meant, was)).square().sum())

        assert change(rounded.values) <= change(nearest) * 1.001


def test_updated_groups_and_the_order_of_activations_exclude_each_other():
    session = open_model(seeded(Residual), data_for(Residual))
    recipe = Recipe(default=parse_plan("w3g4a16"), fixes=(Gptq(act_order=True, groups="updated"),))
    with pytest.raises(MethodError, match="cannot choose a group's scale"):
        session.evaluate(recipe)


def test_layers_with_the_same_input_share_one_hessian():
    session = open_model(seeded(Attention), data_for(Attention))
    subject, sheet = session.subject, session.preparer.float_sheet
    named = {layer.name: design_of(subject.engine, layer) for layer in subject.layers if layer.kind != "embedding"}
    found = hessians(subject.engine, list(named.values()), sheet, subject.calib_batches, Work())
    q, k, v, up = (found[named[name].layer.step] for name in ("q", "k", "v", "up"))
    assert q is k and q is v and q is not up
