"""High biases move into the layers behind: c = max(0, β − 3γ), and only where that changes nothing at borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.methods.absorption import absorb, always_there, through, why_not_absorbed
from qdebug.recipes import CrossLayerEqualization, Recipe
from qdebug.session import open as open_model


class High(nn.Module):
    """A channel that is always far above zero, and others that are not."""

    def __init__(self, *, normed: bool, padding: int = 0):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 1, bias=not normed)
        self.norm = nn.BatchNorm2d(4) if normed else nn.Identity()
        self.second = nn.Conv2d(4, 4, 3, padding=padding, groups=2)
        self.head = nn.Linear(4, 3)
        self.high = torch.tensor([40.0, 0.0, 25.0, -9.0])
        with torch.no_grad():
            (self.norm if normed else self.first).bias.copy_(self.high)

    def forward(self, x):
        return self.head(torch.tanh(self.second(torch.relu(self.norm(self.first(x))))).mean((2, 3)))


def opened(**how):
    torch.manual_seed(1)
    model = High(**how).eval()
    return open_model(model, {"x": torch.randn(96, 2, 5, 5), "labels": torch.randint(0, 3, (96,))})


def found(session, **parameters):
    fix = CrossLayerEqualization(**parameters)
    return session._preparer.rewrites.equalization(Recipe(fixes=(fix,)), Work())


def made(session, overlay):
    """What the first layer makes of the calibration data, float64 ``[C, N]``."""
    first, sheet = session._subject.layers[0], session._preparer.float_sheet_of(overlay)
    (batch,) = session._subject.calib_batches
    return session._subject.engine.values(sheet, batch, (first.step,))[first.step].double().movedim(1, 0).flatten(1)


def output_change(session, overlay):
    return session._preparer.rewrites._equalizer._moved(overlay, Work())


@pytest.mark.parametrize("normed", [True, False])
def test_a_high_bias_is_absorbed_and_the_function_stays(normed):
    session = opened(normed=normed)
    one, without = found(session), found(session, absorb=False)
    assert (one.rescaled.absorbed, without.rescaled.absorbed) == (2, 0)
    assert output_change(session, one.rescaled.overlay) < 1e-5
    subject = session._subject
    first, second, _ = subject.layers
    new, old = one.rescaled.overlay.tensors, without.rescaled.overlay.tensors
    old = {**subject.program.state, **old}
    moved = (old[first.bias] - new[first.bias]).double()
    assert bool((moved > 0).tolist() == [True, False, True, False])
    # equation 15, group by group and output by output
    weight = new[second.weight].double().numpy()
    expected = [
        sum(weight[out, i].sum() * float(moved[2 * (out // 2) + i]) for i in range(2)) for out in range(4)
    ]  # fmt: skip
    np.testing.assert_allclose((new[second.bias] - old[second.bias]).numpy(), expected, rtol=1e-4, atol=1e-6)
    if normed:  # c is read from the normalization, as the scales have left it
        mean, deviation = (old[index].double() for index in subject.program.norms[first.step])
        limit = torch.minimum(
            (mean - 3 * deviation).clamp_min(0), made(session, without.rescaled.overlay).amin(1).clamp_min(0)
        )
        torch.testing.assert_close(moved, limit, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            new[subject.program.norms[first.step][0]].double(), mean - moved, rtol=1e-5, atol=1e-5
        )


def test_without_a_normalization_the_calibration_data_say_what_is_always_there():
    session = opened(normed=False)
    first = session._subject.layers[0]
    values = made(session, found(session, absorb=False).rescaled.overlay)
    expected = torch.minimum(values.mean(1) - 3 * values.std(1, correction=0), values.amin(1)).clamp_min(0)
    biases = [found(session, absorb=one).rescaled.overlay.tensors[first.bias].double() for one in (False, True)]
    torch.testing.assert_close(biases[0] - biases[1], expected, rtol=1e-4, atol=1e-5)


def test_a_padded_reader_keeps_what_it_reads():
    session = opened(normed=True, padding=1)
    group = session._subject.scale_groups[0]
    assert "pads its input with zeros" in why_not_absorbed(session._subject.program, group)
    one = found(session)
    assert one.rescaled.absorbed == 0
    assert output_change(session, one.rescaled.overlay) < 1e-5


def test_nothing_moves_where_no_channel_is_always_there():
    session = opened(normed=True)
    group = session._subject.scale_groups[0]
    state, step = session._subject.program.state, group.writers[0].step
    always = always_there(torch.tensor([1.0, -5.0, 2.9, 0.0]).double(), torch.ones(4).double())
    assert absorb(state, [group], {step: always}, {}) == ({}, 0)
    assert absorb(state, [group], {}, {}) == ({}, 0)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(6, 4), nn.Conv2d(6, 4, 3), nn.Conv2d(6, 4, 3, groups=2), nn.Conv2d(6, 12, 3, groups=6),
     nn.ConvTranspose2d(6, 4, 3, groups=2)],
)  # fmt: skip
def test_what_a_layer_makes_of_a_constant(layer):
    torch.manual_seed(0)
    flat = isinstance(layer, nn.Linear)
    model = nn.Sequential(layer) if flat else nn.Sequential(layer, nn.Flatten(), nn.Linear(1, 1))
    shape = (6,) if flat else (6, 7, 7)
    if not flat:
        channels = 12 if layer.out_channels == 12 else 4
        size = 9 if isinstance(layer, nn.ConvTranspose2d) else 5
        model[2] = nn.Linear(channels * size * size, 2)
    session = open_model(model.eval(), {"input": torch.randn(4, *shape), "labels": torch.zeros(4).long()})
    constant = torch.rand(6)
    value = constant if flat else constant.view(6, 1, 1).expand(6, 7, 7)
    with torch.no_grad():
        made = layer(value.unsqueeze(0)) - layer(torch.zeros(1, *shape))
    inner = made[0] if flat else made[0, :, made.shape[2] // 2, made.shape[3] // 2]
    known = through(session._subject.layers[0], layer.weight.detach(), constant.double())
    torch.testing.assert_close(known.float(), inner, rtol=1e-4, atol=1e-5)
