"""Layers are found with their names, shapes and axes."""

from __future__ import annotations

import onnx
import torch
from torch import nn

from benchmarks.promises.named_files import write_data, write_network
from qdebug.export import export_file
from qdebug.recipes import parse_plan, preset, set_layers
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def infos(model, data):
    return {layer.name: layer for layer in open_model(model, data).info().layers}


def test_convolutions_and_linear():
    found = infos(seeded(Residual), data_for(Residual))
    assert list(found) == ["stem", "dw", "pw", "head"]
    assert [found[name].op for name in found] == ["conv 3×3", "depthwise 3×3", "conv 1×1", "linear"]
    assert found["stem"].macs == 8 * 8 * 8 * 3 * 9
    assert found["dw"].macs == 8 * 8 * 8 * 9
    assert found["head"].params == 8 * 5 + 5
    assert not found["pw"].has_bias


def test_transformer():
    found = infos(seeded(Attention), data_for(Attention))
    assert list(found) == ["embed", "q", "k", "v", "up", "down", "head"]
    assert found["embed"].kind == "embedding" and found["embed"].macs == 0
    assert found["up"].macs == 8 * 16 * 32


def test_batch_norm_is_folded():
    model, data = seeded(Residual), data_for(Residual)
    session = open_model(model, data)
    names = [step.op for step in session._subject.program.steps]
    assert not any("batch_norm" in name for name in names)
    assert {layer.name: layer.has_bias for layer in session.info().layers}["stem"]


def test_a_batch_norm_whose_scale_is_computed_stays():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.scale = nn.Conv2d(3, 4, 3), nn.Parameter(torch.rand(4))
            self.register_buffer("mean", torch.rand(4))
            self.register_buffer("variance", torch.rand(4))

        def forward(self, x):
            scale = self.scale * x.mean()
            return nn.functional.batch_norm(self.conv(x), self.mean, self.variance, scale, self.scale).mean((2, 3))

    data = {"x": torch.randn(4, 3, 8, 8), "labels": torch.zeros(4).long()}
    session = open_model(Scaled().eval(), data)
    assert any("batch_norm" in step.op for step in session._subject.program.steps)
    assert session.evaluate("w8a8").metric.n == 4


class Twice(nn.Module):
    """One layer applied twice, one weight used by two operators, one written as a product, one transposed."""

    def __init__(self):
        super().__init__()
        self.again = nn.Linear(6, 6)
        self.embed = nn.Embedding(9, 6)
        self.matrix = nn.Parameter(torch.randn(6, 4))
        self.up = nn.ConvTranspose1d(4, 3, 2)

    def forward(self, tokens):
        x = self.again(self.again(self.embed(tokens)))
        logits = x @ self.embed.weight.T
        y = self.up((x @ self.matrix).transpose(1, 2))
        return logits.mean(1) + y.mean((1, 2)).unsqueeze(1)


def test_reused_tied_and_transposed():
    torch.manual_seed(0)
    data = {"tokens": torch.randint(0, 9, (8, 5)), "labels": torch.randint(0, 9, (8,))}
    session = open_model(Twice().eval(), data)
    found = {layer.name: layer for layer in session.info().layers}
    assert {"again", "again#2", "embed", "up"} <= set(found)
    assert found["up"].op == "conv-transpose 2" and found["up"].out_channels == 3
    products = [layer for layer in session.info().layers if layer.weight_shape == (6, 4)]
    assert len(products) == 1 and products[0].out_channels == 4 and products[0].in_features == 6
    assert session.evaluate("w8a8").metric.n == 8


def test_a_graph_that_wants_one_batch_size():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            rows = [self.linear(row) for row in x.unbind(0)]
            return torch.stack(rows)

    torch.manual_seed(0)
    model, x = Fixed().eval(), torch.randn(40, 4)
    session = open_model(model, {"x": x, "labels": torch.randint(0, 3, (40,))})
    assert session._subject.program.batch == 32
    got = torch.cat(
        [session._subject.engine.output(session._preparer.float_sheet, b) for b in session._subject.eval_batches]
    )
    torch.testing.assert_close(got, model(x))


def test_a_layers_name_can_be_seen_and_its_node_keeps_its_own(tmp_path):
    """Of two names that differ in what nobody sees, each layer has one of its own."""
    names = ["fc\u200b", "fc", "x\x1b[2J"]
    write_network(tmp_path / "net.onnx", names, "x")
    write_data(tmp_path / "data.npz", names, "x")
    session = open_model(tmp_path / "net.onnx", data=tmp_path / "data.npz")
    assert [layer.name for layer in session.info().layers] == ["fc⟨U+200B⟩", "fc", "x⟨U+001B⟩[2J"]
    one, other = (set_layers(preset("w8a8"), {name: parse_plan("w2a8")}) for name in ("fc⟨U+200B⟩", "fc"))
    pairs = {"one": one, "other": other}
    sqnr = {name: [row.weight.sqnr_db < 20 for row in session.layers(recipe).rows] for name, recipe in pairs.items()}
    assert sqnr == {"one": [True, False, False], "other": [False, True, False]}
    export_file(session, one, "onnx", tmp_path / "out.onnx")
    nodes = {node.name for node in onnx.load(tmp_path / "out.onnx").graph.node}
    assert set(names) <= nodes
