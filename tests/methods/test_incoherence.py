"""The Hadamard rotation: it changes no product, only what is rounded, of weights and of quantized inputs."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.methods.inputs import design_of
from qdebug.quantize import QParams, Rotated, fake_quantize, fake_quantize_activation, quantize_weight, rows
from qdebug.recipes import Hadamard, LayerPlan, Recipe, parse_activation_format, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def opened(kind, plan, *fixes):
    session = open_model(seeded(kind), data_for(kind))
    return session, session.preparer.sheet(Recipe(default=plan, fixes=fixes), Work())


def reasons(session, plan):
    found = session.preparer.repairs.places(Recipe(default=plan), Hadamard())
    return {layer.name: reason for layer, reason in found}


def seen(session, sheet, layer):
    batch = session.subject.calib_batches[0]
    return batch.real_rows(session.subject.engine.values(sheet, batch, (layer.x,))[layer.x])


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("seed", [0, 7])
def test_every_layer_of_the_float_network_computes_the_same(kind, seed):
    session = open_model(seeded(kind), data_for(kind))
    sheet, basis = session.preparer.float_sheet, Rotated(seed)
    for layer in session.subject.layers:
        design = design_of(session.subject.engine, layer)
        if design is None:
            continue
        weight = rows(sheet.constant(layer.weight, session.subject.engine.cache), layer.out_axis)
        x = design.rows(seen(session, sheet, layer))
        plain, turned = design.products(x, weight), design.products(basis.into(x), basis.into(weight))
        assert (turned - plain).norm() <= 1e-5 * plain.norm()


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_a_weight_is_rounded_to_nearest_where_it_is_rotated(kind):
    session, sheet = opened(kind, parse_plan("w4a16"), Hadamard(seed=3))
    treated = [layer for layer in session.subject.layers if sheet.rounded(layer.step)]
    assert treated
    for layer in treated:
        weight = rows(sheet.constant(layer.weight, session.subject.engine.cache), layer.out_axis)
        expected, _ = quantize_weight(Rotated(3).into(weight), sheet.quants[layer.step].plan.weight)
        rounded = sheet.rounded(layer.step)
        found = Rotated(3).into(rows(rounded.values, layer.out_axis))
        assert rounded.basis == Rotated(3)
        assert torch.allclose(found, expected, atol=1e-6)
        assert torch.allclose(fake_quantize(found, rounded.grid), found, atol=1e-6)


def test_a_static_input_is_calibrated_on_rotated_values():
    session, sheet = opened(Attention, parse_plan("w8a8"), Hadamard())
    for layer in session.subject.layers:
        if layer.kind == "embedding":
            continue
        quant = sheet.quants[layer.step]
        turned = Rotated(0).into(seen(session, session.preparer.float_sheet, layer))
        assert quant.basis == Rotated(0) and isinstance(quant.activation, QParams)
        assert float(quant.activation.scale) == pytest.approx(float(turned.max() - turned.min()) / 255, rel=1e-5)


@pytest.mark.parametrize("text", ["int8", "int8-dyn", "int8-tok", "mxfp4", "fp8_e4m3fn-tok"])
def test_a_linear_layer_multiplies_its_rotated_input_with_its_rotated_weight(text):
    plan = LayerPlan(parse_weight_format("int4-pc"), parse_activation_format(text))
    session, sheet = opened(Attention, plan, Hadamard())
    layer = next(one for one in session.subject.layers if one.name == "up")
    basis, cache, batch = Rotated(0), session.subject.engine.cache, session.subject.calib_batches[0]
    weight = sheet.constant(layer.weight, cache)
    codes, _ = quantize_weight(basis.into(weight), plan.weight)
    values = session.subject.engine.values(sheet, batch, (layer.x,))[layer.x]
    inside = fake_quantize_activation(basis.into(values), plan.activation, sheet.quants[layer.step].activation, -1)
    expected = inside @ codes.T + sheet.constant(layer.bias, cache)
    found = session.subject.engine.values(sheet, batch, (layer.step,))[layer.step]
    assert torch.allclose(found, expected, atol=1e-5)
    assert not sheet.has_int32_bias(layer.step)


def test_what_is_not_rotated_says_why():
    session = open_model(seeded(Residual), data_for(Residual))
    half, whole = reasons(session, parse_plan("w4a16")), reasons(session, parse_plan("w4a8"))
    assert "even" in half["dw"] and half["pw"] is None and half["head"] is None
    assert "each window" in whole["pw"] and whole["head"] is None
    assert all("no scale" in reason for reason in reasons(session, parse_plan("w16a16")).values())


def test_rows_with_an_outlier_each_lose_less():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 32))
    with torch.no_grad():
        net[0].weight.normal_()
        net[0].weight[torch.arange(32), torch.arange(32)] = 20.0
    session = open_model(net, {"input": torch.randn(64, 64), "labels": torch.zeros(64, dtype=torch.int64)})
    layer = session.subject.layers[0]
    errors = {}
    for fixes in ((), (Hadamard(),)):
        sheet = session.preparer.sheet(Recipe(default=parse_plan("w4a16-pc"), fixes=fixes), Work())
        off = sheet.weight(layer, session.subject.engine.cache) - net[0].weight
        errors[fixes] = float((seen(session, session.preparer.float_sheet, layer) @ off.detach().T).square().sum())
    assert errors[(Hadamard(),)] < 0.3 * errors[()]
