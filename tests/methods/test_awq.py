"""AWQ: the same function, factors by the paper's formula, never worse than rounding to nearest on what it has seen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.errors import MethodError
from qdebug.methods.awq import best_factors
from qdebug.quantize import quantize_weight
from qdebug.recipes import (
    Awq,
    CrossLayerEqualization,
    Gptq,
    LayerPlan,
    Recipe,
    SmoothQuant,
    parse_plan,
    parse_weight_format,
)
from qdebug.session import open as open_model
from tests.methods.layer_errors import layer_inputs, squared_changes, without_fixes
from tests.networks import Attention, Residual, data_for, seeded

PLANS = ["int3-pc", "int3g8", "int2g8-affine", "nf4g16", "mxfp4"]


def recipe_of(text, *fixes):
    return Recipe(default=LayerPlan(parse_weight_format(text)), fixes=fixes)


def with_outliers():
    """Attention whose normalizations have a few large channels, as those of language models have."""
    model = seeded(Attention)
    with torch.no_grad():
        model.norm.weight[3], model.norm2.weight[5] = 20.0, 12.0
    return model


@pytest.mark.parametrize("text", PLANS)
@pytest.mark.parametrize("more", [(), (CrossLayerEqualization(),), (SmoothQuant(),)])
def test_the_float_function_stays(text, more):
    session = open_model(with_outliers(), data_for(Attention))
    sheet = session.preparer.float_with_fixes(recipe_of(text, *more, Awq()), Work())
    subject = session.subject
    assert sheet.overlay.tensors
    for batch in subject.eval_batches:
        one = subject.engine.output(session.preparer.float_sheet, batch).double()
        two = subject.engine.output(sheet, batch).double()
        assert float((one - two).norm() / one.norm()) < 1e-5


@pytest.mark.parametrize("text", PLANS)
def test_factors_are_those_of_the_formula(text):
    """Written out: every α, weights scaled, rounded and scaled back, outputs compared on the inputs themselves."""
    session = open_model(with_outliers(), data_for(Attention))
    subject, preparer = session.subject, session.preparer
    site = subject.norm_sites[0]
    plan = parse_weight_format(text)
    _, x = layer_inputs(session, site.layers[0], preparer.float_sheet)
    x = x[0]
    mean, losses, tried = x.abs().mean(0), [], []
    for alpha in [step / 20 for step in range(20)]:
        s = (mean**alpha).clamp_min(1e-4)
        s = s / torch.sqrt(s.max() * s.min())
        total = 0.0
        for layer in site.layers:
            weight = subject.program.state[layer.weight]
            scaled = (weight.double() * s).float()
            rounded = quantize_weight(scaled, plan)[0].double() / s
            total += float((x @ (rounded - weight.double()).T).square().mean())
        losses.append(total)
        tried.append(s)
    weights = [(layer, subject.program.state[layer.weight], plan) for layer in site.layers]
    found = best_factors(mean, (x.T @ x / len(x))[None], weights)
    assert torch.allclose(found, tried[losses.index(min(losses))], rtol=1e-6)
    assert losses.index(min(losses)) > 0


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("text", PLANS)
def test_layers_behind_a_place_are_not_further_off(kind, text):
    session = open_model(with_outliers() if kind is Attention else seeded(kind), data_for(kind))
    recipe = recipe_of(text, Awq())
    after, before = squared_changes(session, recipe), squared_changes(session, without_fixes(recipe))
    for site in session.subject.scale_sites:
        names = [layer.name for layer in site.layers]
        assert sum(after[name] for name in names) <= sum(before[name] for name in names) * 1.0001
    if kind is Attention:
        assert sum(after.values()) < 0.9 * sum(before.values())


class Pair(nn.Module):
    """Two linear layers with nothing but a ReLU between them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 24), nn.Linear(24, 6)
        with torch.no_grad():
            self.first.weight[4] *= 30

    def forward(self, images):
        return self.second(torch.relu(self.first(images)))


def pair():
    torch.manual_seed(3)
    data = {"images": torch.randn(64, 12), "labels": torch.randint(0, 6, (64,))}
    return open_model(Pair().eval(), data)


def test_linear_layers_share_factors_through_a_relu():
    session = pair()
    recipe = recipe_of("int3-pc", Awq())
    after, before = squared_changes(session, recipe), squared_changes(session, without_fixes(recipe))
    assert after["second"] < 0.9 * before["second"]
    sheet = session.preparer.float_with_fixes(recipe, Work())
    first = session.subject.layers[0]
    kept = session.subject.program.state[first.weight]
    ratio = sheet.overlay.tensors[first.weight] / kept
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio)) and float(ratio.min()) < 0.9


def test_a_scale_for_the_whole_first_layer_keeps_it_as_it_is():
    assert not pair().preparer.overlay(recipe_of("int4", Awq()), Work()).tensors


def test_factors_follow_the_plans():
    session = open_model(with_outliers(), data_for(Attention))
    one, two, again = (
        session.preparer.overlay(recipe_of(text, Awq()), Work()) for text in ("int2g8", "int8-pc", "int2g8")
    )
    assert one is again and one is not two


def test_a_float_model_is_left_alone():
    session = open_model(with_outliers(), data_for(Attention))
    assert not session.preparer.overlay(Recipe(fixes=(Awq(),)), Work()).tensors


def test_it_goes_with_gptq_and_says_where_it_applies():
    session = open_model(with_outliers(), data_for(Attention))
    recipe = Recipe(default=parse_plan("w3a16"), fixes=(Awq(), Gptq()))
    assert session.preparer.sheet(recipe, Work()).overlay.rounded
    card = next(card for card in session.fixes(recipe) if card.method == "awq")
    assert [site.refused is None for site in card.sites[:2]] == [True, True]


def test_no_steps_are_refused():
    session = open_model(seeded(Attention), data_for(Attention))
    with pytest.raises(MethodError, match="0 steps"):
        session.score(recipe_of("int4", Awq(steps=0)))
