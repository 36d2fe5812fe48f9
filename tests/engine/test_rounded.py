"""Weights that a method has rounded: used as they are, with what is kept beside, in the basis they were rounded in."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import LayerQuant, Rounded, Work
from qdebug.quantize import Rotated, Without, fake_quantize_activation, rows, weight_grid
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded

PER_TOKEN = LayerPlan(parse_weight_format("int4-pc"), parse_activation_format("int8-tok"))


def opened(kind, plan):
    session = open_model(seeded(kind), data_for(kind))
    sheet = session.preparer.sheet(Recipe(default=plan), Work())
    return session, sheet


def read(session, sheet, batch, index):
    return session.subject.engine.values(sheet, batch, (index,))[index]


def layer_alone(session, layer, x, weight):
    bias = torch.zeros(weight.shape[layer.out_axis])
    return session.subject.engine.layer_calls[layer.step]({layer.bias: bias}, x, weight, bias)


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_a_layer_multiplies_with_the_chosen_weight(kind):
    session, plain = opened(kind, parse_plan("w4a8"))
    batch = session.subject.eval_batches[0]
    layer = session.subject.layers[-1]
    float_weight = plain.constant(layer.weight, session.subject.engine.cache)
    chosen = Rounded(torch.round(float_weight * 3) / 3, None)
    sheet = session.preparer.sheet_of(plain.overlay.updated(rounded={layer.step: chosen}), plain.quants)
    assert sheet.keys[layer.step] != plain.keys[layer.step]
    x = plain.quants[layer.step].activate(read(session, plain, batch, layer.x))
    bias = sheet.constant(layer.bias, session.subject.engine.cache) if layer.bias is not None else 0.0
    expected = layer_alone(session, layer, x, chosen.values) + bias
    assert torch.allclose(read(session, sheet, batch, layer.step), expected, atol=1e-6)
    assert torch.equal(sheet.weight(layer, session.subject.engine.cache), chosen.values)


def test_a_layer_that_stays_in_float_ignores_it():
    session, plain = opened(Residual, parse_plan("w16a16"))
    layer = session.subject.layers[0]
    rounded = {layer.step: Rounded(torch.zeros(8, 3, 3, 3), None)}
    sheet = session.preparer.sheet_of(plain.overlay.updated(rounded=rounded), {})
    assert sheet.keys == session.preparer.float_sheet.keys
    assert sheet.rounded(layer.step) is None


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_what_is_kept_beside_multiplies_the_unquantized_input(kind):
    session, plain = opened(kind, parse_plan("w4a4"))
    cache, batch = session.subject.engine.cache, session.subject.eval_batches[0]
    for layer in session.subject.layers:
        if layer.kind == "embedding":
            continue
        weight = plain.weight(layer, cache)
        side = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.1
        rounded = plain.overlay.updated(rounded={layer.step: Rounded(weight, None, side=side)})
        sheet = session.preparer.sheet_of(rounded, plain.quants)
        x, without = read(session, plain, batch, layer.x), read(session, plain, batch, layer.step)
        expected = without + layer_alone(session, layer, x, side)
        assert torch.allclose(read(session, sheet, batch, layer.step), expected, atol=1e-5)


def test_an_input_is_rotated_before_it_is_quantized_and_back_behind():
    session, plain = opened(Attention, PER_TOKEN)
    batch = session.subject.eval_batches[0]
    layer = next(one for one in session.subject.layers if one.name == "up")
    basis = Rotated(seed=3)
    quants = {**plain.quants, layer.step: LayerQuant(PER_TOKEN, None, layer.channel_axis, basis=basis)}
    sheet = session.preparer.sheet_of(plain.overlay, quants)
    assert sheet.keys[layer.step] != plain.keys[layer.step]
    x = read(session, plain, batch, layer.x)
    seen = basis.back(fake_quantize_activation(basis.into(x), PER_TOKEN.activation, None, layer.channel_axis))
    expected = layer_alone(session, layer, seen, plain.weight(layer, session.subject.engine.cache))
    expected = expected + sheet.constant(layer.bias, session.subject.engine.cache)
    assert torch.allclose(read(session, sheet, batch, layer.step), expected, atol=1e-5)
    assert torch.allclose(basis.back(basis.into(x)), x, atol=1e-5)


def test_channels_left_out_are_zero_when_the_input_is_quantized():
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(Without((1, 3)).into(x)[..., [1, 3]], torch.zeros(2, 3, 2))
    assert torch.equal(Without((0,), axis=1).into(x)[:, 1:], x[:, 1:])
    assert Without((1,)).key != Without((1,), axis=1).key


def test_the_error_of_a_weight_is_told_in_the_basis_it_was_rounded_in():
    session, plain = opened(Attention, parse_plan("w4a16"))
    layer = next(one for one in session.subject.layers if one.name == "down")
    cache, basis, plan = session.subject.engine.cache, Rotated(1), plain.quants[layer.step].plan
    weight = plain.constant(layer.weight, cache)
    turned = basis.into(rows(weight, layer.out_axis))
    grid = weight_grid(turned, plan.weight)
    assert grid is not None
    values = basis.back(torch.round(turned / grid.scale) * grid.scale)
    rounded = Rounded(values, grid, basis)
    sheet = session.preparer.sheet_of(plain.overlay.updated(rounded={layer.step: rounded}), plain.quants)
    split = session._tables.weight_split(sheet, layer, plan)
    assert split.mse == pytest.approx(float((values - weight).square().mean()), rel=1e-3)
    assert split.clipping_rate == 0
    assert not sheet.has_int32_bias(layer.step)
