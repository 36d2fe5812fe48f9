"""SmoothQuant beyond normalizations: shared value heads, gates, and a search for α under the recipe's own formats."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import MethodError
from qdebug.methods.smoothquant import factors
from qdebug.quantize import fake_quantize_activation, quantize_weight
from qdebug.quantize.activations import dynamic_grid
from qdebug.recipes import Recipe, SmoothQuant, parse_format, preset, set_layers
from qdebug.session import open as open_model
from tests.methods.layer_errors import layer_inputs
from tests.networks import Attention, Grouped, data_for, seeded


def grouped(scale=1.0):
    model = seeded(Grouped)
    with torch.no_grad():
        model.v.weight[2] *= scale
        model.up.weight[5] *= scale
        model.norm.weight[3] *= scale
    return open_model(model, data_for(Grouped)), model


@pytest.mark.parametrize("fix", [SmoothQuant(alpha=0.0), SmoothQuant(alpha=1.0), SmoothQuant(search=True)])
@pytest.mark.parametrize("plan", ["w4g8a8", "w8a8-pc", "w8a8"])
def test_the_float_function_stays(fix, plan):
    session, _ = grouped(30.0)
    sheet = session.preparer.float_with_fixes(Recipe(default=parse_format(plan), fixes=(fix,)), Work())
    assert sheet.overlay.tensors
    for batch in session.subject.eval_batches:
        one = session.subject.engine.output(session.preparer.float_sheet, batch).double()
        two = session.subject.engine.output(sheet, batch).double()
        assert float((one - two).norm() / one.norm()) < 1e-5


def test_copies_of_a_value_head_share_the_largest_of_the_group():
    """Equation 4 for a shared value channel: both maxima are over all query heads that read it."""
    session, model = grouped(30.0)
    subject = session.subject
    flow = next(flow for flow in subject.flows if flow.writer.name == "v")
    _, x = layer_inputs(session, flow.readers[0], session.preparer.float_sheet)
    peaks, weights = x[0].abs().amax(0), model.o.weight.detach().double().abs().amax(0)
    s = torch.empty(8, dtype=torch.float64)
    for channel in range(8):
        copies = [place for place in range(16) if flow.channels[place] == channel]
        assert len(copies) == 2
        largest_x, largest_w = max(float(peaks[i]) for i in copies), max(float(weights[i]) for i in copies)
        s[channel] = largest_x**0.6 / largest_w**0.4
    recipe = Recipe(default=parse_format("w8a8-pc"), fixes=(SmoothQuant(alpha=0.6),))
    found = session.preparer.overlay(recipe, Work()).tensors
    o = flow.readers[0]
    assert torch.allclose(found[o.weight], model.o.weight.detach() * s[list(flow.channels)].float(), rtol=1e-5)
    assert torch.allclose(found[flow.writer.bias], model.v.bias.detach() / s.float(), rtol=1e-5)


def test_outliers_of_a_value_head_and_of_a_gated_product_shrink():
    session, _ = grouped(30.0)
    bare, smooth = (Recipe(default=parse_format("w8a8-pc"), fixes=fixes) for fixes in ((), (SmoothQuant(),)))
    for name in ("o", "down"):
        layer = session.subject.by_name[name]
        spread = []
        for recipe in (bare, smooth):
            sheet = session.preparer.float_with_fixes(recipe, Work())
            _, x = layer_inputs(session, layer, sheet)
            peaks = x[0].abs().amax(0)
            spread.append(float(peaks.max() / peaks.median()))
        assert spread[1] < spread[0] / 2


def test_one_scale_for_a_whole_layer_keeps_its_channels_together():
    session, _ = grouped()
    recipe = Recipe(default=parse_format("w8a8"), fixes=(SmoothQuant(),))
    card = next(card for card in session.fixes(recipe) if card.method == "smoothquant")
    reasons = {site.layers: site.refused for site in card.sites}
    assert "one scale holds all output channels of v" in reasons["v", "o"]
    assert "one scale holds all output channels of up" in reasons["up", "down"]
    float_v = set_layers(recipe, {"v": parse_format("w32a32")})
    card = next(card for card in session.fixes(float_v) if card.method == "smoothquant")
    assert {site.layers: site.refused for site in card.sites}["v", "o"] is None


def test_every_layer_without_a_place_has_its_reason_on_the_card():
    session, _ = grouped()
    recipe = preset("w8a8-pc")
    for method in ("smoothquant", "awq"):
        card = next(card for card in session.fixes(recipe) if card.method == method)
        reasons = {site.layers: site.refused for site in card.sites}
        assert "add" in reasons["head",] and "embedding" in reasons["embed",]
        treated = {name for layers, refused in reasons.items() if refused is None for name in layers[1:]}
        assert treated == {"q", "k", "v", "o", "gate", "up", "down"}


def quantized(x, plan):
    """Calibrated on itself by min-max, affine, written out."""
    if plan.granularity == "token":
        return fake_quantize_activation(x, plan, dynamic_grid(x, plan))
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2 ** int(plan.format[3:]) - 1)
    zero = round(-low / scale)
    return ((x / scale + zero).round().clamp(0, 2 ** int(plan.format[3:]) - 1) - zero) * scale


@pytest.mark.parametrize("plan", ["w4a4-pc", "w3a8-pc", "int8-pc/int4-tok"])
def test_the_search_finds_the_best_of_all(plan):
    """Written out: every α and none, weights and activations quantized, outputs compared on the inputs themselves."""
    session, _ = grouped(30.0)
    chosen = parse_format(plan)
    fix = SmoothQuant(search=True, steps=10)
    recipe = Recipe(default=chosen, fixes=(fix,))
    moved = session.preparer.rewrites.rescaled(recipe, fix, Work())
    site = session.subject.scale_sites[0]
    _, x = layer_inputs(session, site.layers[0], session.preparer.float_sheet)
    x = x[0]
    weights = [session.subject.program.state[layer.weight].double() for layer in site.layers]
    w_max = torch.stack([one.abs().amax(0) for one in weights]).amax(0)
    tried = [None, *(step / 10 for step in range(11))]
    errors = []
    for alpha in tried:
        s = torch.ones_like(w_max) if alpha is None else factors(x.abs().amax(0), w_max, alpha)
        rounded = [quantize_weight((one * s).float(), chosen.weight)[0].double() for one in weights]
        seen = quantized((x / s).float().double(), chosen.activation)
        errors.append(sum(float((seen @ a.T - x @ b.T).square().sum()) for a, b in zip(rounded, weights, strict=True)))
    assert moved.strengths.get(site) == tried[errors.index(min(errors))]
    assert min(errors) < errors[0]


def test_a_place_that_nothing_helps_is_left_alone():
    session = open_model(seeded(Attention), data_for(Attention))
    fix = SmoothQuant(search=True)
    assert not session.preparer.overlay(Recipe(fixes=(fix,)), Work()).tensors
    card = next(one for one in session.fixes(Recipe(fixes=(fix,))) if one.method == "smoothquant")
    assert [site.note for site in card.sites[:2]] == ["left as it is: no factors were better than none"] * 2


def test_the_search_belongs_to_the_formats():
    session, _ = grouped(30.0)
    fixes = (SmoothQuant(search=True),)
    one, two = (Recipe(default=parse_format(text), fixes=fixes) for text in ("w8a4-pc", "w3a16-pc"))
    strengths = [session.preparer.rewrites.rescaled(recipe, recipe.fixes[0], Work()).strengths for recipe in (one, two)]
    assert strengths[0] != strengths[1]


def test_no_steps_are_refused():
    session, _ = grouped()
    with pytest.raises(MethodError, match="0 steps"):
        session.score(Recipe(default=parse_format("w8a8-pc"), fixes=(SmoothQuant(search=True, steps=0),)))
