"""torch's recurrent modules taken apart give what they gave whole, and each matrix is a layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.doors.module import functional, torch_tools
from qdebug.graph import lower
from qdebug.session import open as open_model

SAMPLES, STEPS, WIDTH, HIDDEN = 6, 5, 8, 7


class Whole(nn.Module):
    """All that a recurrent module returns, in one tensor."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        turn = not self.inner.batch_first
        y, last = self.inner(x.transpose(0, 1) if turn else x)
        parts = [y.transpose(0, 1) if turn else y, *(last if isinstance(last, tuple) else (last,))]
        samples_first = [parts[0], *(one.transpose(0, 1) for one in parts[1:])]
        return torch.cat([one.flatten(1) for one in samples_first], 1)


class Steps(nn.Module):
    """Cells in a loop of the module's own."""

    def __init__(self):
        super().__init__()
        self.long, self.gated = nn.LSTMCell(WIDTH, HIDDEN), nn.GRUCell(HIDDEN, HIDDEN, bias=False)
        self.plain = nn.RNNCell(HIDDEN, HIDDEN, nonlinearity="relu")

    def forward(self, x):
        h = c = g = p = x.new_zeros(x.shape[0], HIDDEN)
        for step in range(2):
            h, c = self.long(x[:, step], (h, c))
            g = self.gated(h, g)
            p = self.plain(g, p)
        return torch.cat([c, g, p], 1)


MODULES = {
    "lstm": lambda: nn.LSTM(WIDTH, HIDDEN, batch_first=True),
    "two-way": lambda: nn.LSTM(WIDTH, HIDDEN, 2, bidirectional=True),
    "no-bias": lambda: nn.LSTM(WIDTH, HIDDEN, bias=False, batch_first=True),
    "projected": lambda: nn.LSTM(WIDTH, HIDDEN, 2, proj_size=3, batch_first=True, bidirectional=True),
    "gru": lambda: nn.GRU(WIDTH, HIDDEN, 2, bidirectional=True, batch_first=True),
    "rnn": lambda: nn.RNN(WIDTH, HIDDEN),
    "rnn-relu": lambda: nn.RNN(WIDTH, HIDDEN, nonlinearity="relu", bidirectional=True),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", list(MODULES))
def test_the_answers_are_torch_s_and_every_matrix_is_a_layer(name):
    torch.manual_seed(1)
    module, x = Whole(MODULES[name]()).eval(), torch.randn(SAMPLES, STEPS, WIDTH)
    session = open_model(module, x)
    engine, (batch,) = session.subject.engine, session.subject.eval_batches
    torch.testing.assert_close(engine.output(session.preparer.float_sheet, batch), module(x), rtol=1e-5, atol=1e-6)
    names = {name for name, tensor in module.named_parameters() if tensor.dim() == 2}
    layers = session.info().layers
    assert {layer.name for layer in layers} == names and len(layers) == len(names)
    assert {layer.op for layer in layers} == {"recurrent"}
    assert session.info().params == sum(tensor.numel() for tensor in module.parameters())
    assert not session.info().not_understood


def test_cells_that_a_module_steps_itself_are_layers_that_run_several_times():
    torch.manual_seed(2)
    module, x = Steps().eval(), torch.randn(SAMPLES, STEPS, WIDTH)
    session = open_model(module, x)
    engine, (batch,) = session.subject.engine, session.subject.eval_batches
    torch.testing.assert_close(engine.output(session.preparer.float_sheet, batch), module(x), rtol=1e-5, atol=1e-6)
    once = [f"{cell}.weight_{which}" for cell in ("long", "gated", "plain") for which in ("ih", "hh")]
    assert [layer.name for layer in session.info().layers] == [*once, *(f"{name}#2" for name in once)]
    assert not session.info().not_understood


@pytest.mark.parametrize("steps", [1, 40])
def test_a_matrix_is_one_layer_however_long_a_sequence_is(steps):
    torch.manual_seed(3)
    module, x = Whole(nn.GRU(WIDTH, HIDDEN, batch_first=True)).eval(), torch.randn(3, steps, WIDTH)
    session = open_model(module, x)
    engine, (batch,) = session.subject.engine, session.subject.eval_batches
    torch.testing.assert_close(engine.output(session.preparer.float_sheet, batch), module(x), rtol=1e-5, atol=1e-6)
    by_input, by_state = session.info().layers
    assert by_input.macs == steps * 3 * HIDDEN * WIDTH and by_state.macs == steps * 3 * HIDDEN * HIDDEN
    assert by_state.input_values == steps * HIDDEN


def test_a_linear_layer_that_gives_the_first_state_is_none_of_the_cell_s():
    class Begun(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.cell = nn.Linear(WIDTH, HIDDEN), nn.GRUCell(WIDTH, HIDDEN)

        def forward(self, x):
            return self.cell(x, self.first(x))

    session = open_model(Begun().eval(), torch.randn(4, WIDTH))
    assert {layer.name: layer.op for layer in session.info().layers} == {
        "first": "linear", "cell.weight_ih": "recurrent", "cell.weight_hh": "recurrent",
    }  # fmt: skip


def test_dropout_that_torch_would_apply_keeps_the_operator_whole():
    """A file may have been captured in training mode: its operator is random, and stays float, which is said."""
    torch.manual_seed(4)
    inner = nn.LSTM(64, 64, 2, dropout=0.5, batch_first=True)
    with torch_tools():
        exported = functional(torch.export.export(Whole(inner).train(), (torch.randn(2, STEPS, 64),)))
    program = lower(exported)
    assert [step.op for step in program.steps if "lstm" in step.op] == ["aten.lstm.input"]
