"""The engine gives, byte for byte, what plain re-execution gives, whatever was asked before."""

from __future__ import annotations

import random

import pytest
import torch

from qdebug.engine import Overlay, Sheet, ValueCache
from qdebug.engine.sheet import LayerQuant
from qdebug.quantize import choose_grid, is_static
from qdebug.recipes import LayerPlan, parse_activation_format, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.engine.plain import execute
from tests.networks import Attention, Residual, data_for, seeded

PLANS = ["w8a8", "w4a8-tok", "w4g8a16", "w8a8-pc", "w2a4", "w16a16", "w32a32", "w4a8-dyn", "w3a32"]
WEIGHTS = ["nf4", "mxfp4", "q4_k", "ternary-pc", "kmeans2", "fp8_e5m2-pc", "int4-stochastic", "vq2_16"]
INPUTS = ["fp8_e4m3fn", "fp6_e3m2-dyn", "fp4-tok", "nvfp4", "mxint8", "int8-stochastic", "tf32", "fp16-floor"]


def random_sheet(session, dice: random.Random) -> Sheet:
    """A sheet with a random plan for each layer, and now and then a replaced tensor or an added bias."""
    subject = session._subject
    quants, tensors, biases = {}, {}, {}
    for layer in subject.layers:
        plan = parse_plan(dice.choice(PLANS))
        if dice.random() < 0.5:
            plan = LayerPlan(parse_weight_format(dice.choice(WEIGHTS)), parse_activation_format(dice.choice(INPUTS)))
        if layer.kind == "conv" and plan.activation.granularity == "token":
            plan = parse_plan("w8a8")
        ends = -dice.choice([0.0, dice.uniform(0.5, 3)]), dice.uniform(0.5, 3)
        grid = choose_grid(*ends, plan.activation) if is_static(plan.activation) else None
        if dice.random() < 0.8:
            quants[layer.step] = LayerQuant(plan, grid, layer.channel_axis, dice.random() < 0.5)
        width = subject.program.state[layer.weight].shape[layer.out_axis]
        noise = torch.randn(width, generator=torch.Generator().manual_seed(dice.randrange(10**6)))
        if dice.random() < 0.2 and layer.bias is not None:
            tensors[layer.bias] = noise
        elif dice.random() < 0.3 and layer.bias is None and layer.kind != "embedding":
            biases[layer.step] = noise
    return Sheet(subject.program, subject.layers, Overlay(tensors, biases), quants, random_points(subject, dice))


def random_points(subject, dice: random.Random) -> dict[int, LayerQuant]:
    """Some of the activations between layers, quantized."""
    found = {}
    for index in subject.points if dice.random() < 0.6 else ():
        plan = parse_plan(dice.choice(["w8a8", "w8a4"]))
        if dice.random() < 0.7:
            grid = choose_grid(-dice.choice([0.0, dice.uniform(0.5, 3)]), dice.uniform(0.5, 3), plan.activation)
            found[index] = LayerQuant(LayerPlan(activation=plan.activation), grid)
    return found


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("budget", [0, 60_000, 1 << 30])
def test_random_edits_in_random_order(kind, budget):
    session = open_model(seeded(kind), data_for(kind), cache=ValueCache(budget))
    engine, dice = session._subject.engine, random.Random(7)
    batches = session._subject.batches(session._subject.data)
    sheets = [random_sheet(session, dice) for _ in range(12)]
    expected = {(i, b.key): execute(sheet, b.inputs) for i, sheet in enumerate(sheets) for b in batches}
    for _ in range(40):
        number, batch = dice.randrange(len(sheets)), dice.choice(batches)
        got = engine.output(sheets[number], batch)
        assert torch.equal(got, expected[number, batch.key][: batch.count])
    assert engine.cache.stats().bytes <= budget


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_every_step_can_be_asked_for(kind):
    session = open_model(seeded(kind), data_for(kind), cache=ValueCache(1 << 30))
    subject = session._subject
    batch = subject.eval_batches[0]
    sheet = Sheet(subject.program, subject.layers)
    tensors = [s.index for s in subject.program.steps]
    seen = []
    subject.engine.visit(sheet, batch, tensors, lambda index, value: seen.append(index))
    assert seen == sorted(tensors)


def test_float_output_is_the_modules_own():
    model, data = seeded(Residual), data_for(Residual)
    session = open_model(model, data)
    subject = session._subject
    with torch.no_grad():
        for batch in subject.eval_batches:
            mine = subject.engine.output(Sheet(subject.program, subject.layers), batch)
            torch.testing.assert_close(mine, model(batch.inputs["images"]), rtol=1e-5, atol=1e-5)
