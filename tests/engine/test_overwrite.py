"""Writing over what dies, and quantizing at birth, is never seen from outside."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from qdebug.engine import LayerQuant, Sheet, ValueCache
from qdebug.engine.overwrite import overwriting
from qdebug.engine.taps import births, find_taps
from qdebug.formats import INT8
from qdebug.graph.program import tensor_key
from qdebug.quantize import choose_qparams, fake_quantize_activation
from qdebug.recipes import parse_plan
from qdebug.search.sweep.items import reached
from qdebug.session import open as open_model
from tests.engine.plain import execute
from tests.engine.test_against_plain import random_sheet
from tests.networks import Attention, Residual, data_for, seeded

aten = torch.ops.aten


class Shared(nn.Module):
    """Values with several readers, views among them: nothing of this may be written over."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pw, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 3, 8, 8]`` to ``[N, 5]``."""
        x = self.conv(images)
        rows = x.flatten(2)
        y = torch.sigmoid(x) * torch.relu(x) + torch.tanh(rows.view(x.shape))
        z = self.pw(y)
        z = (z + torch.relu(z) * 2.0).clamp(-1, 3) / 3.0
        return self.head((z + y).mean((2, 3)) + rows.mean(-1))


def opened(kind, budget=1 << 30):
    data = data_for(Residual if kind is Shared else kind)
    return open_model(seeded(kind), data, cache=ValueCache(budget))


def test_values_with_other_readers_are_left_alone():
    session = opened(Shared)
    program = session._subject.program
    readers = {index: operand for index, (operand, _) in overwriting(program).items()}
    assert readers  # the network does hold steps that may overwrite
    assert all(program.consumers[operand] == (index,) for index, operand in readers.items())


@pytest.mark.parametrize("kind", [Shared, Residual, Attention])
def test_what_is_remembered_never_changes(kind):
    session, dice = opened(kind), random.Random(3)
    engine, batch = session._subject.engine, session._subject.eval_batches[0]
    inputs = {name: tensor_key(tensor) for name, tensor in batch.inputs.items()}
    held: dict[object, bytes] = {}
    for _ in range(12):
        sheet = random_sheet(session, dice)
        assert torch.equal(engine.output(sheet, batch), execute(sheet, batch.inputs)[: batch.count])
        now = {key: tensor_key(e.value) for key, e in engine.cache._entries.items() if isinstance(e.value, Tensor)}
        assert all(now[key] == content for key, content in held.items() if key in now)
        held |= now
    assert {name: tensor_key(tensor) for name, tensor in batch.inputs.items()} == inputs


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_who_asks_for_a_layers_input_gets_it_unquantized(kind):
    session = opened(kind)
    subject = session._subject
    batch, grid = subject.eval_batches[0], choose_qparams(-0.5, 0.5, INT8, False)
    sheet = Sheet(subject.program, subject.layers, quants={
        layer.step: LayerQuant(parse_plan("w8a8"), grid) for layer in subject.layers
    })  # fmt: skip
    assert births(sheet, find_taps(subject.program, subject.layers))
    subject.engine.output(sheet, batch)  # what is quantized at birth is remembered now
    for layer in subject.layers:
        if layer.kind == "embedding" or subject.program.steps[layer.x].kind == "input":
            continue
        asked = subject.engine.values(sheet, batch, (layer.x, layer.step))
        raw = asked[layer.x]
        assert not torch.equal(raw, fake_quantize_activation(raw, parse_plan("w8a8").activation, grid)), layer.name
        assert torch.equal(asked[layer.step], subject.engine.values(sheet, batch, (layer.step,))[layer.step])


class Calls(TorchDispatchMode):
    """Counts the convolutions and matrix products that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in (aten.convolution, aten.mm, aten.addmm)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", [Shared, Residual])
@pytest.mark.parametrize("grid", [(0.0, 2.0), (-0.5, 2.0)])
def test_what_was_remembered_unquantized_is_only_quantized(kind, grid):
    """One layer's input on a grid, all else as in a float pass before: nothing upstream of the layer runs again."""
    session, fresh = opened(kind), opened(kind)
    subject, batch = session._subject, session._subject.eval_batches[0]
    subject.engine.output(session.preparer.float_sheet, batch)
    for layer in subject.layers:
        quant = LayerQuant(parse_plan("w32a8"), choose_qparams(*grid, INT8, False))
        sheet = Sheet(subject.program, subject.layers, quants={layer.step: quant})
        with Calls() as calls:
            found = subject.engine.output(sheet, batch, remember=False)
        behind = reached(subject.program, layer.step)
        assert calls.count == sum(other.step in behind for other in subject.layers), layer.name
        assert torch.equal(found, fresh._subject.engine.output(sheet, batch, remember=False))
        assert torch.equal(found, fresh._subject.engine.output(sheet, batch))  # stopping at each station


@pytest.mark.parametrize("grid", [(0.0, 2.0), (-0.5, 2.0)])
def test_a_relu_before_a_grid(grid):
    """Left out where the grid ends at zero, which is why NaN and negative zero are tried too."""
    session = opened(Residual)
    subject = session._subject
    qparams = choose_qparams(*grid, INT8, False)
    quants = {layer.step: LayerQuant(parse_plan("w32a8"), qparams) for layer in subject.layers}
    sheet = Sheet(subject.program, subject.layers, quants=quants)
    found = births(sheet, find_taps(subject.program, subject.layers))
    assert {born.skips_relu for born in found.values()} == {grid[0] == 0.0}
    batch = subject.eval_batches[0]
    batch.inputs["images"][0, 0, 0, 0], batch.inputs["images"][1] = float("nan"), -0.0
    assert torch.equal(
        subject.engine.output(sheet, batch).nan_to_num(7.0), execute(sheet, batch.inputs)[: batch.count].nan_to_num(7.0)
    )
