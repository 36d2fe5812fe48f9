"""Wanda: scores by hand, as much pruned as the plan says, and less lost where inputs differ in size."""

from __future__ import annotations

import itertools

import pytest
import torch

from qdebug.engine import Work
from qdebug.quantize import rows
from qdebug.recipes import Gptq, LowRank, Recipe, Wanda, parse_plan, set_layers
from qdebug.recipes.sparsity import parse_sparsity, pruned_count
from qdebug.session import open as open_model
from tests.methods.layer_errors import layer_inputs, squared_changes, without_fixes
from tests.networks import Attention, Residual, data_for, seeded


def with_outliers():
    model = seeded(Attention)
    with torch.no_grad():
        model.norm.weight[3], model.norm2.weight[5] = 20.0, 12.0
    return open_model(model, data_for(Attention))


def test_groups_keep_the_best_scores_of_all_choices():
    session = with_outliers()
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w32a32@2:4"), fixes=(Wanda(),)), Work())
    layer = session.subject.by_name["up"]
    weight = session.subject.program.state[layer.weight]
    _, x = layer_inputs(session, layer, session.preparer.float_sheet)
    scores = weight.double().abs() * x[0].norm(dim=0)
    values = sheet.weight(layer, session.subject.engine.cache)
    for row, score, given in zip(values, scores, weight, strict=True):
        for place in range(0, 16, 4):
            part = slice(place, place + 4)
            best = max(itertools.combinations(range(4), 2), key=lambda one, s=score[part]: float(s[list(one)].sum()))
            assert set(torch.nonzero(row[part]).flatten().tolist()) == set(best)
            assert torch.equal(row[part][list(best)], given[part][list(best)])


def test_a_share_is_taken_from_every_output():
    session = with_outliers()
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w32a32@30%"), fixes=(Wanda(),)), Work())
    for layer in session.subject.layers:
        if layer.kind == "matmul":
            gone = rows(sheet.weight(layer, session.subject.engine.cache), layer.out_axis) == 0
            assert int(gone.sum()) == pruned_count(gone.numel(), parse_sparsity("30%"))
            assert int(gone.sum(1).max()) - int(gone.sum(1).min()) <= 1


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("plan", ["w8a8-pc@2:4", "w4a16@50%", "w32a32@1:4"])
def test_less_is_lost_than_by_magnitude(kind, plan):
    session = with_outliers() if kind is Attention else open_model(seeded(kind), data_for(kind))
    recipe = Recipe(default=parse_plan(plan), fixes=(Wanda(),))
    after, before = (sum(squared_changes(session, one).values()) for one in (recipe, without_fixes(recipe)))
    assert after < before * (0.9 if kind is Attention else 1.0)
    assert session.score(recipe).size == session.score(without_fixes(recipe)).size


def test_layers_that_are_not_pruned_are_left_to_others():
    session = with_outliers()
    recipe = Recipe(default=parse_plan("w4a8"), fixes=(Wanda(), Gptq(), LowRank(rank=1)))
    recipe = set_layers(recipe, {"up": parse_plan("w8a8@2:4")})
    sheet = session.preparer.sheet(recipe, Work())
    by_name = session.subject.by_name
    assert set(sheet.overlay.rounded) == {by_name[name].step for name in ("q", "k", "v", "up", "down", "head")}
    values = sheet.weight(by_name["up"], session.subject.engine.cache)
    assert int((values.unflatten(1, (-1, 4)) != 0).sum(-1).max()) <= 2
    cards = {one.method: one for one in session.fixes(recipe)}
    wanda = {site.layers[0]: site.refused for site in cards["wanda"].sites}
    assert wanda["up"] is None and wanda["q"] == "its plan prunes nothing of it"
    gptq = {site.layers[0]: site.refused for site in cards["gptq"].sites}
    assert gptq["q"] is None and "pruned" in gptq["up"]
