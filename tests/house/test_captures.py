"""Graphs that tests share are those that each network would have got."""

import pytest
import torch

import qdebug
from qdebug.doors import capture
from qdebug.graph.lower import lower
from tests.captures import captured_once
from tests.networks import Attention, data_for


class Counting:
    """In place of what captures: counts how often it is asked."""

    def __init__(self, monkeypatch):
        from qdebug.session import loading

        self.count = 0
        monkeypatch.setattr(loading, "capture", self)
        captured_once()

    def __call__(self, module, inputs, *, checked=True):
        self.count += 1
        return capture(module, inputs, checked=checked)


class Scaled(torch.nn.Module):
    def __init__(self, factor=2.0, added=1.0, kept=False):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
        self.factor = factor
        self.register_buffer("added", torch.tensor([added]), persistent=kept)

    def forward(self, x):
        return self.layer(x) * self.factor + self.added


X = {"x": torch.randn(6, 4, generator=torch.Generator().manual_seed(0))}


def test_a_graph_is_shared_and_its_weights_are_not(monkeypatch):
    counting = Counting(monkeypatch)
    for seed in range(3):
        torch.manual_seed(seed)
        module, data = Attention().eval(), data_for(Attention, 8)
        session = qdebug.open(module, data)
        assert counting.count == 1
        fresh = lower(capture(module, {"tokens": torch.as_tensor(data["tokens"])})[0])
        program = session.subject.program
        assert [step.op for step in program.steps] == [step.op for step in fresh.steps]
        for index, tensor in fresh.state.items():
            assert program.state[index].data_ptr() == tensor.data_ptr()
        with torch.no_grad():
            wanted = module(torch.as_tensor(data["tokens"]))
        (batch,) = session.subject.eval_batches
        assert torch.equal(session.output(qdebug.recipes.Recipe(), batch), wanted)


@pytest.mark.parametrize("changes", [{"factor": 3.0}, {"added": 5.0}, {"kept": True}])
def test_what_the_graph_depends_on_is_captured_anew(monkeypatch, changes):
    counting = Counting(monkeypatch)
    for count, given in enumerate(({}, changes), start=1):
        module = Scaled(**given).eval()
        session = qdebug.open(module, X)
        assert counting.count == count
        (batch,) = session.subject.eval_batches
        with torch.no_grad():
            assert torch.equal(session.output(qdebug.recipes.Recipe(), batch), module(X["x"]))


def test_a_hook_is_not_seen_through(monkeypatch):
    counting = Counting(monkeypatch)
    for _ in range(2):
        module = Scaled().eval()
        module.layer.register_forward_hook(lambda layer, given, output: output + 1)
        qdebug.open(module, X)
    assert counting.count == 2
