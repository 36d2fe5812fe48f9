"""A model filled from a quantized checkpoint: its own recipe computes what the checkpoint's codes stand for."""

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.doors.checkpoints import read_checkpoint
from qdebug.export.checkpoints import awq, compressed_tensors, decided_linear, gptq, linear_of
from qdebug.quantize import choose_grid, weight_grid
from qdebug.recipes import FLOAT, TensorPlan, parse_activation_format, preset
from qdebug.session import opening
from qdebug.session.checkpoint import with_checkpoint
from qdebug.session.loading import from_module

HALF = {"scale_format": "fp16"}
A8 = TensorPlan("int8", range="stored")
WAYS = {
    "int4 groups": (compressed_tensors, TensorPlan("int4", "group", 16, symmetric=False, **HALF), FLOAT),
    "int8": (compressed_tensors, TensorPlan("int8", "channel"), parse_activation_format("int8-tok-sym")),
    "int8 fixed": (compressed_tensors, TensorPlan("int8", "channel"), A8),
    "fp8": (compressed_tensors, TensorPlan("fp8_e4m3fn", "channel"), parse_activation_format("fp8-tok")),
    "fp8 fixed": (compressed_tensors, TensorPlan("fp8_e4m3fn"), TensorPlan("fp8_e4m3fn", range="stored")),
    "tiles": (compressed_tensors, TensorPlan("fp8_e4m3fn", "block", block=(16, 16)), FLOAT),
    "nvfp4": (compressed_tensors, TensorPlan("nvfp4"), FLOAT),
    "mxfp4": (compressed_tensors, TensorPlan("mxfp4"), FLOAT),
    "gptq": (gptq, TensorPlan("int3", "group", 32, symmetric=False, **HALF), FLOAT),
    "awq": (awq, TensorPlan("int4", "group", 16, **HALF), FLOAT),
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.up, self.gate, self.down = nn.Linear(32, 64), nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)) * self.gate(x))


def opened(net, checkpoint):
    arrays = {"x": np.random.default_rng(0).standard_normal((8, 32)).astype("f4")}
    loaded = with_checkpoint(from_module(net, arrays), checkpoint)
    return opening._session(loaded, arrays, "made", (None, ""), (None, ""), None, "net", None, opening.Work())


def filled(way, names=("up", "gate", "down")):
    """A net with a checkpoint's weights, and the checkpoint."""
    write, plan, activation = WAYS[way]
    net = Net()
    fixed = choose_grid(-4.0, 4.0, activation) if activation.range == "stored" else None
    weights = {name: net.get_submodule(name).weight.data for name in names}
    layers = [linear_of(name, one, plan, weight_grid(one, plan), activation, fixed) for name, one in weights.items()]
    written = write(layers)
    checkpoint = read_checkpoint(written.tensors, written.config)
    for name, tensor in checkpoint.floats():
        net.get_parameter(name).data = tensor
    return net, checkpoint


@pytest.mark.parametrize("way", WAYS)
def test_its_own_recipe_rounds_no_weight(way):
    net, checkpoint = filled(way)
    session = opened(net, checkpoint)
    recipe = session.own_recipe()
    for layer in session.decided(recipe).layers:
        stored = checkpoint.linear(layer.node)
        assert layer.weight.plan == stored.plan
        assert layer.activation.plan == stored.activation
        assert torch.equal(layer.weight.grid.scale, stored.grid.scale)
        assert torch.equal(decided_linear(layer).weight, stored.weight)
    assert session.score(recipe).metric.n == 8


@pytest.mark.parametrize("way", ["int4 groups", "nvfp4", "gptq", "tiles"])
def test_the_model_computes_the_same_where_inputs_stay_float(way):
    net, checkpoint = filled(way)
    session = opened(net, checkpoint)
    preparer, work = session.preparer, opening.Work()
    sheet = preparer.sheet(session.own_recipe(), work)
    plain = preparer.sheet(preset("w32a32"), work)
    cache = session.subject.engine.cache
    for layer in session.subject.layers:
        plan = session.own_recipe().plan_for(layer.name).weight
        assert torch.equal(sheet.quantized(layer, plan, cache)[0], plain.constant(layer.weight, cache))


def test_layers_that_the_model_does_not_have_are_said():
    net, checkpoint = filled("int4 groups")
    net.down = nn.Linear(64, 16)
    session = opened(net, checkpoint)
    assert any("'down' has another shape" in text for text in session.info().not_understood)
    assert "down" not in dict(session.own_recipe().layers)
    moved = read_checkpoint(
        {name.replace("up.", "elsewhere."): one for name, one in checkpoint.tensors.items()}, checkpoint.config
    )
    assert any("'elsewhere', which is no layer" in text for text in opened(net, moved).info().not_understood)


def test_two_scales_for_one_value_are_said():
    net, checkpoint = filled("int8 fixed")
    other = {**checkpoint.tensors, "gate.input_scale": torch.tensor([0.5])}
    session = opened(net, read_checkpoint(other, checkpoint.config))
    assert any("'up' fixes another scale" in text for text in session.info().not_understood)
