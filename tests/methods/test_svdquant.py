"""SVDQuant: the split worked out by hand, what a layer computes with it, and what it is worth."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.quantize import Scaled, rows
from qdebug.recipes import Gptq, LowRank, Outliers, Recipe, SvdQuant, parse_format, parse_plan
from qdebug.session import open as open_model
from tests.methods.layer_errors import layer_inputs
from tests.networks import Attention, Residual, data_for, seeded


def with_outliers():
    model = seeded(Attention)
    with torch.no_grad():
        model.norm.weight[3], model.norm2.weight[5] = 20.0, 12.0
    return open_model(model, data_for(Attention))


def test_the_split_by_hand():
    """Equations 5 to 7 for one layer: factors, singular vectors, the rest on an int4 grid, and the layer's output."""
    session = with_outliers()
    alpha, rank = 0.6, 3
    fix = SvdQuant(rank=rank, alpha=alpha, search=False)
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w4a4-pc"), fixes=(fix,)), Work())
    layer = session.subject.by_name["up"]
    weight = session.subject.program.state[layer.weight].double()
    _, x = layer_inputs(session, layer, session.preparer.float_sheet)
    x = x[0]
    smooth = x.abs().amax(0) ** alpha / weight.abs().amax(0) ** (1 - alpha)
    u, s, v = torch.linalg.svd(weight * smooth, full_matrices=False)
    branch = (u[:, :rank] * s[:rank]) @ v[:rank]
    rest = weight * smooth - branch
    scale = rest.abs().amax(1, keepdim=True) / 7
    codes = (rest / scale).round().clamp(-8, 7)

    rounded = sheet.rounded(layer.step)
    assert torch.allclose(rounded.side.double(), branch / smooth, atol=2e-3 * float((branch / smooth).abs().max()))
    values = rounded.values.double() * smooth
    near = (values - codes * scale).abs() < 1e-2 * scale
    assert float(near.double().mean()) > 0.98  # fp16 factors move a value across a tie here and there

    batch = session.subject.calib_batches[0]
    given = session.subject.engine.values(sheet, batch, (layer.x, layer.step))
    read = given[layer.x].double()
    low, high = min(float((x / smooth).min()), 0.0), max(float((x / smooth).max()), 0.0)
    step = (high - low) / 15
    zero = round(-low / step)
    seen = ((read / smooth / step + zero).round().clamp(0, 15) - zero) * step
    bias = session.subject.program.state[layer.bias].double()
    wanted = seen @ values.T + read @ rounded.side.double().T + bias
    assert float((given[layer.step].double() - wanted).norm() / wanted.norm()) < 1e-3


@pytest.mark.parametrize("plan", ["w4a4", "w4a4-pc", "w3g8a8", "nf4/int8-tok"])
def test_no_layer_is_further_off_and_most_are_nearer_than_with_low_rank_compensation(plan):
    session = with_outliers()
    chosen = parse_format(plan)
    errors = {}
    for name, fixes in {"nearest": (), "low-rank": (LowRank(rank=3),), "svdquant": (SvdQuant(rank=3),)}.items():
        sheet = session.preparer.sheet(Recipe(default=chosen, fixes=fixes), Work())
        errors[name] = [layer_error(session, sheet, layer) for layer in linear(session)]
    assert all(new <= old * 1.0001 for new, old in zip(errors["svdquant"], errors["nearest"], strict=True))
    assert sum(errors["svdquant"]) < sum(errors["low-rank"]) < sum(errors["nearest"]) * 1.05
    assert sum(errors["svdquant"]) < 0.7 * sum(errors["nearest"])


def linear(session):
    return [layer for layer in session.subject.layers if layer.kind == "matmul"]


def layer_error(session, sheet, layer):
    """The squared change of a layer's output with both of its sides quantized, on the float model's inputs."""
    cache, quant, rounded = session.subject.engine.cache, sheet.quants[layer.step], sheet.rounded(layer.step)
    batch = session.subject.calib_batches[0]
    x = session.subject.engine.values(session.preparer.float_sheet, batch, (layer.x,))[layer.x]
    x = batch.real_rows(x)
    weight = rows(session.subject.program.state[layer.weight], layer.out_axis)
    found = quant.activate(x.clone()) @ rows(sheet.weight(layer, cache), layer.out_axis).T
    if rounded is not None and rounded.side is not None:
        found = found + x @ rows(rounded.side, layer.out_axis).T
    return float((found - x @ weight.T).square().sum())


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("after", [(), (Gptq(),), (LowRank(rank=1),)])
def test_it_runs_on_every_kind_of_layer_and_before_others(kind, after):
    session = open_model(seeded(kind), data_for(kind))
    recipe = Recipe(default=parse_plan("w3a8"), fixes=(SvdQuant(rank=2, steps=4), *after))
    assert (
        session.score(recipe).size.bits_per_weight
        > session.score(Recipe(default=parse_plan("w3a8"))).size.bits_per_weight
    )
    sheet = session.preparer.sheet(recipe, Work())
    split = [one for one in sheet.overlay.rounded.values() if one.side is not None]
    assert split and all(isinstance(one.basis, Scaled) for one in split)
    for one in split:
        assert int(torch.linalg.matrix_rank(one.side.flatten(1).double(), rtol=1e-4)) <= 2


def test_a_branch_is_counted_with_its_factors():
    session = with_outliers()
    plain = Recipe(default=parse_plan("w4a4"))
    recipe = Recipe(default=parse_plan("w4a4"), fixes=(SvdQuant(rank=2, search=False),))
    more = session.score(recipe).size.quantized_bytes - session.score(plain).size.quantized_bytes
    thin = 3 * 2 * (16 + 16) + 2 * 2 * (16 + 32) + 2 * (16 + 11)
    assert more == 2 * (thin + 5 * 16 + 32)


def test_fitting_anew_is_never_worse():
    session = with_outliers()
    errors = []
    for rounds in (1, 8):
        recipe = Recipe(default=parse_plan("w3a8-pc"), fixes=(SvdQuant(rank=2, rounds=rounds),))
        sheet = session.preparer.sheet(recipe, Work())
        errors.append(sum(layer_error(session, sheet, layer) for layer in linear(session)))
    assert errors[1] < errors[0]


def test_where_it_does_not_apply_and_with_what_it_does_not_go():
    session = open_model(seeded(Residual), data_for(Residual))
    card = next(one for one in session.fixes("w4a4") if one.method == "svdquant")
    reasons = {site.layers[0]: site.refused for site in card.sites}
    assert "group" in reasons["dw"] and reasons["pw"] is None and reasons["stem"] is None
    with pytest.raises(Exception, match="make no sense together"):
        session.score(Recipe(default=parse_plan("w4a4"), fixes=(SvdQuant(), Outliers())))
