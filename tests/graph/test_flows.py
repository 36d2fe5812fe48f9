"""Channels are followed from the layer that writes them to those that read them, and reasons given where they stop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.session import open as open_model
from tests.networks import Attention, Grouped, Residual, data_for, seeded


def subject_of(model, width=12):
    return open_model(model.eval(), {"x": torch.randn(6, 5, width)}).subject


class Through(nn.Module):
    """Two linear layers with something in between."""

    def __init__(self, between, inner=12):
        super().__init__()
        self.first, self.second, self.between = nn.Linear(12, inner), nn.Linear(12, 3), between

    def forward(self, x):
        return self.second(self.between(self.first(x)))


PASSING = {
    "nothing": lambda x: x,
    "relu": torch.relu,
    "leaky": lambda x: nn.functional.leaky_relu(x, 0.1),
    "a constant factor": lambda x: x * 3 / 2,
    "a mean over positions": lambda x: x.mean(1),
    "there and back": lambda x: x.view(-1, 5, 3, 4).permute(0, 2, 1, 3).transpose(1, 2).flatten(2),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_factors_come_through(name):
    (flow,) = subject_of(Through(PASSING[name])).flows
    assert (flow.writer.name, [one.name for one in flow.readers], flow.refused) == ("first", ["second"], None)
    assert flow.channels == tuple(range(12))


def test_channels_in_another_order_are_told_apart():
    (flow,) = subject_of(Through(lambda x: x.view(-1, 5, 3, 4).transpose(2, 3).reshape(-1, 5, 12))).flows
    assert flow.channels == tuple(torch.arange(12).view(3, 4).T.flatten().tolist())


def test_a_part_of_what_is_written():
    (flow,) = subject_of(Through(lambda x: torch.relu(x.split(12, -1)[1]), 24)).flows
    assert flow.channels == tuple(range(12, 24)) and flow.refused is None


STOPPING = {
    "GELU": (nn.functional.gelu, "GELU"),
    "softmax": (lambda x: x.softmax(-1), "softmax"),
    "a sum": (lambda x: x + 1.0, "add"),
    "a product with itself": (lambda x: x * x, "reads it twice"),
}


@pytest.mark.parametrize("name", STOPPING)
def test_what_no_factor_comes_through(name):
    between, why = STOPPING[name]
    subject = subject_of(Through(between))
    assert why in subject.unplaced["second"] and not subject.flows
    assert not subject.scale_sites


def test_a_branch_that_bends_keeps_all_its_channels():
    """A SiLU written out reads the layer twice: once bent, once as it is."""
    (flow,) = subject_of(Through(lambda x: x * x.sigmoid())).flows
    assert flow.refused is not None and "sigmoid" in flow.refused


def test_positions_that_are_mixed_with_channels_stop():
    subject = subject_of(Through(lambda x: x.transpose(1, 2).reshape(-1, 5, 12)))
    assert not subject.scale_sites


def test_the_model_s_own_output_is_not_divided():
    class Both(Through):
        def forward(self, x):
            y = self.first(x)
            return self.second(y), y

    subject = subject_of(Both(None))
    assert [flow.refused is None for flow in subject.flows] in ([False], [True])
    assert subject.unplaced["first"] == "it reads the model's own input"


def test_value_heads_that_several_query_heads_read():
    subject = open_model(seeded(Grouped), data_for(Grouped)).subject
    found = {flow.writer.name: flow for flow in subject.flows if flow.refused is None}
    assert set(found) == {"v", "up"}
    assert found["v"].channels == (0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7)
    assert [one.name for one in found["up"].readers] == ["down"]
    assert set(subject.unplaced) == {"embed", "head"}
    assert "add" in subject.unplaced["head"]


def test_torch_s_own_attention_with_shared_heads():
    class Own(Grouped):
        def forward(self, tokens):
            n, t = tokens.shape
            h = self.norm(self.embed(tokens))
            q, k, v = (one(h).view(n, t, -1, 4).transpose(1, 2) for one in (self.q, self.k, self.v))
            read = nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
            return self.head(self.o(read.transpose(1, 2).reshape(n, t, 16)))

    subject = open_model(seeded(Own), data_for(Own)).subject
    flow = next(flow for flow in subject.flows if flow.writer.name == "v")
    assert flow.refused is None and flow.channels == (0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7)


def test_every_layer_has_a_place_or_a_reason():
    for kind in (Residual, Attention, Grouped):
        subject = open_model(seeded(kind), data_for(kind)).subject
        placed = {layer.name for site in subject.scale_sites for layer in site.layers}
        placed |= {layer.name for site in subject.norm_sites if site.refused for layer in site.layers}
        placed |= {layer.name for flow in subject.flows if flow.refused for layer in flow.readers}
        assert {layer.name for layer in subject.layers} == placed | set(subject.unplaced)
