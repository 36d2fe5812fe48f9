"""Pruned and factorized layers as plans: chosen by layer, counted, compared, exported, left alone by other fixes."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import RecipeError
from qdebug.export import write_onnx
from qdebug.quantize.reduction import keep_mask
from qdebug.recipes import (
    BiasCorrection,
    Gptq,
    LayerPlan,
    Recipe,
    SmoothQuant,
    TensorPlan,
    dumps,
    loads,
    parse_format,
    parse_plan,
    preset,
    set_layers,
)
from qdebug.recipes.sparsity import parse_sparsity
from qdebug.session import open as open_model
from qdebug.targets import cost, weight_bits
from tests.networks import Attention, Residual, data_for, seeded


@pytest.fixture(scope="module")
def tokens():
    return open_model(seeded(Attention), data_for(Attention))


def test_notation():
    assert parse_plan("w8a8-pc@2:4").weight == TensorPlan("int8", "channel", sparsity="2:4")
    assert parse_format("int4g32@50%/int8").weight == TensorPlan("int4", "group", 32, sparsity="50%")
    assert parse_format("w32a32@r4").weight == TensorPlan("fp32", rank=4)
    assert preset("w8a8-pc-all@2:4").default.weight.sparsity == "2:4" and preset("w8a8-pc-all@2:4").bias == "int32"
    assert parse_plan("w8a8@2:4").weight.label == "int8 2:4" and parse_plan("w8a8@r4").weight.label == "int8 rank 4"


@pytest.mark.parametrize(("text", "why"), [
    ("w8a8@4:4", "4:4"), ("w8a8@2:64", "2:64"), ("w8a8@0%", "0%"), ("w8a8@150%", "150%"), ("w8a8@x", "'x'"),
    ("w8a8@2:4@r2", "more than one"), ("kmeans4@2:4", "no exact zero"), ("q4_k@50%", "no exact zero"),
    ("binary-pc@2:4", "no exact zero"), ("q4_k@r8", "whole rows"), ("w8a8@r0", "r0"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_reason(text, why):
    with pytest.raises(RecipeError, match=why):
        parse_format(text)


def test_an_activation_is_not_pruned(tokens):
    plan = parse_plan("w8a8")
    with pytest.raises(RecipeError, match="neither pruned nor factorized"):
        tokens.score(Recipe(default=LayerPlan(plan.weight, TensorPlan("int8", sparsity="2:4"))))


def test_it_is_written_and_read():
    recipe = set_layers(preset("w8a8@2:4"), {"up": parse_plan("w4a8@r3"), "head": parse_plan("w8a8@37.5%")})
    assert loads(dumps(recipe)) == recipe == loads(dumps(recipe, "json"), file="x.json")
    assert preset("w8a8").digest != preset("w8a8@2:4").digest


def test_bits_by_hand(tokens):
    """An 16 × 32 matrix in int4 with a float32 scale, whole, pruned and in two factors."""
    layer = next(one for one in tokens.info().layers if one.name == "down")
    assert (layer.out_channels, layer.in_features) == (16, 32)
    expected = {
        "w4a8": 4 * 512 + 32,
        "w4a8@2:4": 4 * 256 + 128 * 3 + 32,  # 4 choose 2 is 6: 3 bits
        "w4a8@1:4": 4 * 128 + 128 * 2 + 32,
        "w4a8@4:8": 4 * 256 + 64 * 7 + 32,  # 8 choose 4 is 70: 7 bits
        "w4a8@50%": 4 * 256 + 512 + 32,
        "w32a32@2:4": 32 * 256 + 128 * 3,
        "w4a8@r3": 4 * 3 * (16 + 32) + 2 * 32,
        "w4a8@r11": 4 * 512 + 32,  # 11 · 48 is more than 512: whole
    }
    assert {text: weight_bits(layer, parse_plan(text)) for text in expected} == expected


def test_bit_operations_by_hand(tokens):
    layer = next(one for one in tokens.info().layers if one.name == "down")
    whole = cost(layer, parse_plan("w4a8")).bops
    assert whole == layer.macs * 32
    assert cost(layer, parse_plan("w4a8@2:4")).bops == whole // 2
    assert cost(layer, parse_plan("w4a8@75%")).bops == whole // 4
    places = layer.macs // 512
    assert cost(layer, parse_plan("w4a8@r3")).bops == places * (3 * 32 * 4 * 8 + 3 * 16 * 4 * 16)
    assert cost(layer, parse_plan("w4a8@r3")).macs == places * 3 * 48


def test_a_convolution_is_counted_by_what_is_kept():
    session = open_model(seeded(Residual), data_for(Residual))
    recipe = preset("w8a8-pc@2:4")
    sheet = session.preparer.sheet(recipe, Work())
    for layer, info in zip(session.subject.layers, session.info().layers, strict=True):
        values = sheet.constant(layer.weight, session.subject.engine.cache)
        kept = int(keep_mask(values, parse_sparsity("2:4"), layer.out_axis).sum())
        plan = recipe.plan_for(layer.name)
        scales, places = 32 * info.out_channels, weight_bits(info, plan) - 8 * kept
        groups = values.numel() // 4 if values.shape[layer.in_axis] % 4 == 0 else 0
        assert places == scales + 3 * groups, layer.name


def test_strategies_stand_beside_each_other(tokens):
    """One model pruned, factorized and quantized: sizes, metric and layers of any two are compared."""
    found = {text: tokens.score(preset(text)) for text in ("w8a8-pc", "w8a8-pc@2:4", "w8a8-pc@r3", "w32a32@50%")}
    assert found["w8a8-pc@2:4"].size.quantized_bytes < found["w8a8-pc"].size.quantized_bytes
    assert found["w8a8-pc@r3"].size.quantized_bytes < found["w8a8-pc@2:4"].size.quantized_bytes
    assert found["w32a32@50%"].size.quantized_bytes < found["w32a32@50%"].size.float_bytes
    compared = tokens.compare("w8a8-pc", "w8a8-pc@2:4")
    labels = {(layer.a.weight, layer.b.weight) for layer in compared.layers}
    assert labels == {("int8 pc", "int8 pc 2:4")}
    table = tokens.layers(preset("w8a8-pc@r3"))
    assert all(row.weight.sqnr_db is not None for row in table.rows if row.name != "embed")


def test_each_layer_has_its_own(tokens):
    recipe = set_layers(preset("w32a32"), {"up": parse_plan("w32a32@2:4"), "down": parse_plan("w32a32@r2")})
    sheet = tokens.preparer.sheet(recipe, Work())
    cache, by_name = tokens.subject.engine.cache, tokens.subject.by_name
    up, down, q = (sheet.weight(by_name[name], cache) for name in ("up", "down", "q"))
    assert int((up == 0).sum()) == up.numel() // 2
    assert int(torch.linalg.matrix_rank(down.double(), rtol=1e-5)) == 2
    assert torch.equal(q, tokens.subject.program.state[by_name["q"].weight])


def test_a_grouped_convolution_is_not_factorized():
    session = open_model(seeded(Residual), data_for(Residual))
    with pytest.raises(RecipeError, match="group"):
        session.score(preset("w8a8@r2"))
    session.score(set_layers(preset("w8a8@r2"), {"dw": parse_plan("w8a8")}))


def test_other_roundings_leave_it_alone_and_rescalings_do_not(tokens):
    recipe = Recipe(default=parse_plan("w8a8-pc@2:4"), fixes=(SmoothQuant(), Gptq(), BiasCorrection()))
    sheet = tokens.preparer.sheet(recipe, Work())
    assert not sheet.overlay.rounded
    layer = tokens.subject.by_name["q"]
    values = sheet.weight(layer, tokens.subject.engine.cache)
    assert int((values.unflatten(1, (-1, 4)) != 0).sum(-1).max()) <= 2
    card = next(one for one in tokens.fixes(recipe) if one.method == "gptq")
    assert {"pruned" in (site.refused or "") for site in card.sites if site.layers != ("embed",)} == {True}


@pytest.mark.parametrize("text", ["w8a8-pc@2:4", "w8a8-pc@50%", "w32a32@2:4", "w8a8-pc@r3", "w4a16@r2"])
def test_an_onnx_file_computes_the_same(tokens, tmp_path, text):
    import onnxruntime

    recipe = preset(text)
    write_onnx(tokens, recipe, tmp_path / "out.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx", providers=["CPUExecutionProvider"])
    batch = data_for(Attention)["tokens"][:2]
    (found,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
    wanted = tokens.output(recipe, tokens.subject.batches(tokens.subject.data, 2)[0])
    off = torch.as_tensor(found) - torch.as_tensor(wanted)
    assert float(off.norm()) < 2e-2 * float(torch.as_tensor(wanted).norm())
