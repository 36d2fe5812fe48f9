"""Places for fixes are found, and where they are refused the reason is given."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def patterns(model, data, kind):
    found = open_model(model, data).info().patterns
    return {pattern.layers: pattern.refused for pattern in found if pattern.kind == kind}


def test_what_a_branch_ties_together_is_one_place():
    found = patterns(seeded(Residual), data_for(Residual), "conv-act-conv")
    assert found == {("stem", "pw", "dw", "head"): None, ("dw", "pw"): None}


def test_a_normalization_and_its_readers():
    found = patterns(seeded(Attention), data_for(Attention), "norm-linear")
    assert found == {("norm", "q", "k", "v"): None, ("norm2", "up"): None}


def test_linear_relu_linear_is_a_chain():
    assert patterns(seeded(Attention), data_for(Attention), "conv-act-conv")[("up", "down")] is None


@pytest.mark.parametrize(
    ("activation", "reason"),
    [
        (nn.ReLU(), None),
        (nn.LeakyReLU(), None),
        (nn.Identity(), None),
        (nn.ReLU6(), None),
        (nn.PReLU(4), None),
        (nn.Hardswish(), "hard-swish"),
        (nn.Hardtanh(1.0, 2.0), "a clamp to 1 … 2"),
        (nn.GELU(), "GELU"),
        (nn.SiLU(), "SiLU"),
    ],
)
def test_only_positively_homogeneous_activations(activation, reason):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), activation, nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 3)).eval()
    data = {"input": torch.randn(8, 1, 8, 8), "labels": torch.randint(0, 3, (8,))}
    refused = patterns(model, data, "conv-act-conv")[("0", "2")]
    assert refused is None if reason is None else reason in refused


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.second = nn.Linear(4, 4)

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = torch.relu(self.first(h))
        n = self.norm(h)
        return self.second(n) + n


def test_shared_weights_and_a_normalization_read_by_others():
    torch.manual_seed(0)
    data = {"x": torch.randn(8, 4), "labels": torch.randint(0, 4, (8,))}
    session = open_model(Shared().eval(), data)
    found = {p.layers: p.refused for p in session.info().patterns}
    assert "shared" in found[("first", "first#2")]
    assert "also feeds add" in found[("norm", "second")]
