"""Low-rank compensation: the best factors, of the weight or of the output, and what the layer then multiplies with."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.methods.low_rank import factors, largest_rank
from qdebug.quantize import rows
from qdebug.recipes import Gptq, Hadamard, LowRank, Outliers, Recipe, parse_plan
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def some(rows_, columns, seed=0):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(400, columns, generator=random) * torch.logspace(-1, 1, columns)
    return torch.randn(rows_, columns, generator=random), (x.T @ x / 400).double()


def change(off, hessian):
    return float(((off.double() @ hessian) * off.double()).sum())


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_factors_leave_the_smaller_singular_values(rank):
    error, _ = some(20, 32)
    left, right = factors(error, rank)
    assert left.shape == (20, rank) and right.shape == (rank, 32) and left.dtype == right.dtype == torch.float16
    rest = (error - left.float() @ right.float()).square().sum()
    values = torch.linalg.svdvals(error.double())
    assert float(rest) == pytest.approx(float(values[rank:].square().sum()), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_factors_are_best_for_the_output(seed):
    error, hessian = some(20, 32, seed)
    weighted, plain = (left.float() @ right.float() for left, right in (factors(error, 4, hessian), factors(error, 4)))
    assert change(error - weighted, hessian) < change(error - plain, hessian) < change(error, hessian)
    root = torch.linalg.cholesky(hessian)
    values = torch.linalg.svdvals(error.double() @ root)
    assert change(error - weighted, hessian) == pytest.approx(float(values[4:].square().sum()), rel=1e-2)


def test_no_rank_takes_more_than_the_weight():
    assert largest_rank(8, 8) == 3 and largest_rank(1, 100) == 0 and largest_rank(100, 50) == 33


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("plan", ["w3a16", "w4a8"])
@pytest.mark.parametrize("before", [(), (Gptq(),), (Hadamard(),), (Outliers(keep=15),)])
def test_the_weight_of_every_layer_is_nearer_and_its_error_of_lower_rank(kind, plan, before):
    session = open_model(seeded(kind), data_for(kind))
    preparer, cache = session.preparer, session.subject.engine.cache
    plain = preparer.sheet(Recipe(default=parse_plan(plan), fixes=before), Work())
    fixed = preparer.sheet(Recipe(default=parse_plan(plan), fixes=(*before, LowRank(rank=2))), Work())
    treated = [layer for layer in session.subject.layers if layer.step in fixed.overlay.rounded and layer.groups == 1]
    assert treated
    for layer in treated:
        weight, was, now = (
            rows(one, layer.out_axis)
            for one in (plain.constant(layer.weight, cache), plain.weight(layer, cache), fixed.weight(layer, cache))
        )
        rounded, kept = plain.rounded(layer.step), fixed.rounded(layer.step)
        if rounded is not None and rounded.side is not None:
            weight = weight - rows(rounded.side, layer.out_axis)
            assert torch.equal(kept.side, rounded.side)
        added = torch.linalg.svdvals((now - was).double())
        if now is was or not bool(added.any()):  # not treated: too small
            continue
        assert float((now - weight).square().sum()) < float((was - weight).square().sum())
        assert int((added > 1e-5 * added[0]).sum()) <= 2


def test_it_is_counted_and_its_input_is_the_quantized_one():
    session = open_model(seeded(Attention), data_for(Attention))
    preparer, engine = session.preparer, session.subject.engine
    recipe = Recipe(default=parse_plan("w4a4"), fixes=(LowRank(rank=2),))
    size = (
        session.score(recipe).size.quantized_bytes
        - session.score(Recipe(default=parse_plan("w4a4"))).size.quantized_bytes
    )
    assert size == 2 * 2 * (4 * (16 + 16) - 16 - 16 + 2 * (16 + 32) + (16 + 11))
    sheet = preparer.sheet(recipe, Work())
    layer = next(one for one in session.subject.layers if one.name == "up")
    batch = session.subject.calib_batches[0]
    x = engine.values(sheet, batch, (layer.x,))[layer.x]
    expected = sheet.quants[layer.step].activate(x.clone()) @ sheet.rounded(layer.step).values.T
    found = engine.values(sheet, batch, (layer.step,))[layer.step]
    assert torch.allclose(found, expected + sheet.constant(layer.bias, engine.cache), atol=1e-5)


def test_weighted_it_never_makes_a_layer_worse_on_what_it_has_seen():
    session = open_model(seeded(Attention), data_for(Attention))
    preparer, engine = session.preparer, session.subject.engine
    errors = []
    for fixes in ((), (LowRank(rank=3),), (LowRank(rank=3, weighted=True),)):
        sheet = preparer.sheet(Recipe(default=parse_plan("w3a16"), fixes=fixes), Work())
        layer = next(one for one in session.subject.layers if one.name == "q")  # what it reads is the same in all
        off = sheet.weight(layer, engine.cache) - sheet.constant(layer.weight, engine.cache)
        x = torch.cat(
            [engine.values(preparer.float_sheet, one, (layer.x,))[layer.x] for one in session.subject.calib_batches]
        )
        errors.append(float((x @ off.T).square().sum()))
    assert errors[2] < errors[1] < errors[0]


def test_the_table_of_layers_has_its_weights():
    """What lies on no grid any more still has an error, all of it rounding."""
    session = open_model(seeded(Attention), data_for(Attention))
    plain, fixed = (
        session.layers(Recipe(default=parse_plan("w4a8"), fixes=fixes)) for fixes in ((), (LowRank(rank=2),))
    )
    for before, after in zip(plain.rows, fixed.rows, strict=True):
        if before.name != "embed":
            assert after.weight.format == "int4" and after.weight.clipping_mse == 0
            assert after.weight.mse < before.weight.mse
