"""Layers that have to be rescaled together, what lies between them, and why it cannot be done where it cannot."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qdebug.session import open as open_model


class Two(nn.Module):
    """Two convolutions and a head, with something in between."""

    def __init__(self, between, *, also_out=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.extra = nn.PReLU(4)
        self.register_buffer("constant", torch.rand(1, 4, 1, 1) + 0.5)
        self.between, self.also_out = between, also_out

    def forward(self, x):
        inner = self.between(self, self.first(x))
        out = self.head(self.second(inner).mean((2, 3)))
        return out + inner.mean((1, 2, 3))[:, None] if self.also_out else out


def groups(model, shape=(2, 6, 6)):
    torch.manual_seed(0)
    data = {"x": torch.randn(4, *shape), "labels": torch.zeros(4).long()}
    return open_model(model.eval(), data)._subject.scale_groups


def names(group):
    return [layer.name for layer in group.writers], [reader.layer.name for reader in group.readers]


THROUGH = {
    "relu": lambda m, x: F.relu(x),
    "leaky": lambda m, x: F.leaky_relu(x, 0.2),
    "prelu": lambda m, x: m.extra(x),
    "pools": lambda m, x: F.avg_pool2d(F.max_pool2d(F.relu(x), 3, 1, 1), 2),
    "a constant factor": lambda m, x: F.relu(x) * m.constant,
    "a divisor": lambda m, x: F.relu(x) / 3.0,
    "turned round and back": lambda m, x: F.relu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    "added to itself by another way": lambda m, x: F.relu(x) + F.leaky_relu(x, 0.3),
}


@pytest.mark.parametrize("kind", THROUGH)
def test_scales_go_through(kind):
    first, second = groups(Two(THROUGH[kind]))
    assert (names(first), first.refused) == ((["first"], ["second"]), None)
    assert (names(second), second.refused) == ((["second"], ["head"]), None)
    assert not first.caps


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (lambda m, x: F.silu(x), "SiLU in between is not positively homogeneous"),
        (lambda m, x: F.gelu(x), "GELU"),
        (lambda m, x: F.hardswish(x), "hard-swish"),
        (lambda m, x: F.elu(x), "ELU"),
        (lambda m, x: F.relu(x + m.constant), "a constant is added in between"),
        (lambda m, x: torch.clamp(x, 0.5, 2), "a clamp to 0.5 … 2"),
    ],
)
def test_what_scales_do_not_go_through_says_why(between, reason):
    first, second = groups(Two(between))
    assert reason in first.refused
    assert second.refused is None


def test_a_value_that_something_else_reads_is_refused():
    first, _ = groups(Two(lambda m, x: F.relu(x), also_out=True))
    assert "its output branches (it also feeds" in first.refused


@pytest.mark.parametrize(
    ("clamp", "ends"),
    [(F.relu6, (0.0, 6.0)), (F.hardtanh, (-1.0, 1.0)), (lambda x: torch.clamp(x, max=2.0), (-torch.inf, 2.0))],
)
def test_a_clamp_around_zero_is_noted_with_its_ends(clamp, ends):
    first, _ = groups(Two(lambda m, x: clamp(x)))
    assert first.refused is None
    assert [(cap.low, cap.high) for cap in first.caps] == [ends]


class Stream(nn.Module):
    """A stream with two ways in and three readers, one of them behind a flattening."""

    def __init__(self, *, meets_input=False):
        super().__init__()
        self.stem = nn.Conv2d(2, 2 if meets_input else 4, 3, padding=1)
        width = self.stem.out_channels
        self.up, self.down = nn.Conv2d(width, 8, 1), nn.Conv2d(8, width, 1)
        self.last, self.head = nn.Conv2d(width, 3, 1), nn.Linear(width * 36, 3)
        self.meets_input = meets_input

    def forward(self, x):
        y = self.stem(x)
        y = y + self.down(F.relu(self.up(y)))
        if self.meets_input:
            y = y + x
        return self.head(y.flatten(1)) + self.last(y).mean((2, 3))


def test_a_residual_stream_is_one_group():
    stream, inner = groups(Stream())
    assert names(stream) == (["stem", "down"], ["up", "head", "last"])
    assert [reader.spread for reader in stream.readers] == [1, 36, 1]
    assert (stream.refused, stream.shifts) == (None, False)
    assert names(inner) == (["up"], ["down"])
    assert inner.shifts


def test_a_stream_that_meets_the_models_input_is_refused():
    stream, inner = groups(Stream(meets_input=True))
    assert "it is added to the model's input x" in stream.refused
    assert inner.refused is None


def test_a_folded_normalization_is_remembered():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten()
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
        model[1].bias.copy_(torch.tensor([0.1, 0.2, -0.3, 4.0]))
    session = open_model(model.eval(), {"input": torch.randn(4, 2, 6, 6), "labels": torch.zeros(4).long()})
    program, (first, _) = session._subject.program, session._subject.layers
    mean, deviation = (program.state[index] for index in program.norms[first.step])
    assert mean.tolist() == pytest.approx([0.1, 0.2, -0.3, 4.0])
    assert deviation.tolist() == [1.0, 2.0, 0.5, 3.0]
    assert not any(program.consumers[index] for index in program.norms[first.step])
    assert set(program.norms[first.step]) <= set(session._subject.scale_groups[0].vectors)
