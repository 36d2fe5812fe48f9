"""Cross-layer equalization against its paper's closed form, written out slowly."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.engine import NOTHING, Sheet, Work
from qdebug.methods.cle import Held, equalize
from qdebug.recipes import CrossLayerEqualization, Recipe
from qdebug.session import open as open_model
from tests.networks import Residual, seeded


def opened(model, shape, classes=3):
    torch.manual_seed(0)
    name = next(iter(inspect.signature(model.forward).parameters))
    data = {name: torch.randn(6, *shape), "labels": torch.randint(0, classes, (6,))}
    return open_model(model.eval(), data)._subject


def test_one_pair_by_hand():
    torch.manual_seed(3)
    subject = opened(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)), (5,))
    first, second = subject.layers
    state = subject.program.state
    w1, b1, w2 = (state[i].double().numpy() for i in (first.weight, first.bias, second.weight))
    r1, r2 = np.abs(w1).max(1), np.abs(w2).max(0)
    s = np.sqrt(r1 / r2)
    got = equalize(state, subject.scale_groups)[0]
    np.testing.assert_allclose(got[first.weight].numpy(), w1 / s[:, None], rtol=1e-6)
    np.testing.assert_allclose(got[first.bias].numpy(), b1 / s, rtol=1e-6)
    np.testing.assert_allclose(got[second.weight].numpy(), w2 * s, rtol=1e-6)


def test_ranges_meet_across_every_pair():
    torch.manual_seed(5)
    body = [
        nn.Conv2d(2, 6, 1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 1),
        nn.Flatten(),
        nn.Linear(144, 3),
    ]
    subject = opened(nn.Sequential(*body), (2, 8, 8))
    new = {**subject.program.state, **equalize(subject.program.state, subject.scale_groups, iterations=200)[0]}
    expand, depthwise, project = subject.layers[:3]
    row = lambda layer: new[layer.weight].abs().movedim(layer.out_axis, 0).flatten(1).amax(1)  # noqa: E731
    column = new[project.weight].abs().movedim(project.in_axis, 0).flatten(1).amax(1)
    torch.testing.assert_close(row(expand), row(depthwise), rtol=2e-3, atol=0)
    torch.testing.assert_close(row(depthwise), column, rtol=2e-3, atol=0)


def test_dead_channels_are_left_alone():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight[1] = 0
        model[2].weight[:, 2] = 0
    subject = opened(model, (5,))
    got = equalize(subject.program.state, subject.scale_groups)[0]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in got.values())
    assert torch.equal(got[subject.layers[0].weight][2], subject.program.state[subject.layers[0].weight][2])


class Mixed(nn.Module):
    """A residual stream with two ways in, grouped and transposed layers, a channel multiplier, PReLU, a flattening."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.slope = nn.PReLU(6)
        self.grouped = nn.Conv2d(6, 12, 3, padding=1, groups=3)
        self.multiplied = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.project = nn.Conv2d(24, 6, 1)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2)
        self.down = nn.Conv2d(4, 3, 2, stride=2)
        self.head = nn.Linear(3 * 8 * 8, 3)
        nn.init.uniform_(self.slope.weight, 0.05, 0.5)

    def forward(self, x):
        x = self.slope(self.stem(x))
        inner = nn.functional.leaky_relu(self.multiplied(torch.relu(self.grouped(x))), 0.2)
        x = torch.relu(x + self.project(inner))
        return self.head(torch.relu(self.down(torch.relu(self.up(x)))).flatten(1))


def uneven(model, seed=0):
    """Weights whose channels have very different ranges."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                spread = torch.randn(parameter.shape[0], *[1] * (parameter.dim() - 1), generator=random)
                parameter.mul_(torch.exp(2 * spread))
    return model


def changed(subject, tensors):
    """The largest change of the output that the tensors make, as a fraction of it."""
    session = subject.engine
    batch = subject.calib_batches[0]
    one, two = (
        session.output(Sheet(subject.program, subject.layers, overlay), batch).double()
        for overlay in (NOTHING, NOTHING.updated(tensors))
    )
    return float((one - two).norm() / one.norm())


def rows(subject, new, layer):
    """The largest magnitude of each output channel's weights, written out slowly."""
    weight = new[layer.weight].double().numpy()
    if layer.out_axis == 0:
        return np.array([np.abs(row).max() for row in weight])
    each = weight.shape[0] // layer.groups
    return np.array([
        np.abs(weight[group * each : (group + 1) * each, out]).max()
        for group in range(layer.groups) for out in range(weight.shape[1])
    ])  # fmt: skip


def columns(subject, new, layer, spread):
    """The largest magnitude of the weights that read each channel, written out slowly."""
    weight = new[layer.weight].double().numpy()
    if layer.out_axis == 1:
        return np.array([np.abs(row).max() for row in weight])
    each = weight.shape[0] // layer.groups
    found = [
        np.abs(weight[group * each : (group + 1) * each, place]).max()
        for group in range(layer.groups) for place in range(weight.shape[1])
    ]  # fmt: skip
    return np.array(found).reshape(-1, spread).max(1)


@pytest.mark.parametrize("residual", [Residual, Mixed])
def test_all_that_write_and_read_the_same_channels_meet(residual):
    torch.manual_seed(2)
    model = uneven(seeded(Residual) if residual is Residual else residual())
    subject = opened(model, (3, 8, 8) if residual is Residual else (2, 8, 8), 3)
    groups = subject.scale_groups
    assert groups and all(group.refused is None for group in groups)
    assert any(len(group.writers) > 1 for group in groups)
    new, _ = equalize(subject.program.state, groups, iterations=300)
    assert changed(subject, new) < 1e-5
    now = {**subject.program.state, **new}
    for group in groups:
        written = np.max([rows(subject, now, layer) for layer in group.writers], 0)
        read = np.max([columns(subject, now, one.layer, one.spread) for one in group.readers], 0)
        np.testing.assert_allclose(written, read, rtol=3e-3)
        before = np.max([rows(subject, subject.program.state, layer) for layer in group.writers], 0)
        assert np.ptp(np.log(before / before.max())) > 1


def test_a_run_of_depthwise_layers_is_solved_at_once():
    torch.manual_seed(4)
    body = [
        nn.Conv2d(2, 5, 1), nn.ReLU(), nn.Conv2d(5, 5, 3, groups=5), nn.ReLU(), nn.Conv2d(5, 5, 3, groups=5),
        nn.ReLU6(), nn.Flatten(), nn.Linear(80, 3),
    ]  # fmt: skip
    subject = opened(uneven(nn.Sequential(*body)), (2, 8, 8))
    first, one, two, last = subject.layers
    state = subject.program.state
    ranges = [rows(subject, state, layer) for layer in (first, one, two)] + [columns(subject, state, last, 16)]
    expected = np.prod(ranges, 0) ** (1 / 4)
    new, _ = equalize(state, subject.scale_groups, iterations=1)
    for layer in (first, one, two):
        np.testing.assert_allclose(rows(subject, new, layer), expected, rtol=1e-6)
    np.testing.assert_allclose(columns(subject, new, last, 16), expected, rtol=1e-6)


def test_held_channels_keep_their_scale_and_none_grows_beyond_its_bound():
    torch.manual_seed(6)
    subject = opened(uneven(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))), (5,))
    least, fixed = (
        torch.tensor([0, 0.9, 0, 3.0, 0.2, 0]).double(),
        torch.tensor([True, False, False, False, True, False]),
    )
    _, free = equalize(subject.program.state, subject.scale_groups)
    _, scales = equalize(subject.program.state, subject.scale_groups, held={0: Held(least, fixed)})
    expected = torch.where(fixed, 1.0, torch.maximum(free[0], least))
    torch.testing.assert_close(scales[0], expected, rtol=1e-4, atol=0)
    assert bool((scales[0] != free[0])[3])


def test_activations_count_half_beside_weights():
    torch.manual_seed(7)
    subject = opened(uneven(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))), (5,))
    first, second = subject.layers
    state = subject.program.state
    high = torch.rand(6).double() * 8
    r1 = torch.maximum(state[first.weight].double().abs().amax(1), high / 2)
    r2 = state[second.weight].double().abs().amax(0)
    _, scales = equalize(state, subject.scale_groups, activations={first.step: high})
    torch.testing.assert_close(scales[0], (r1 / r2).sqrt(), rtol=1e-4, atol=0)
    assert bool((high / 2 > state[first.weight].double().abs().amax(1)).any())


class Capped(nn.Module):
    """ReLU6 that channel 0 reaches, that others come near, and that the rest are far from."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)
        with torch.no_grad():
            self.first.weight.copy_(torch.diag(torch.tensor([9.0, 0.5, 0.01, 0.002])).repeat(2, 1)[:5])
            self.first.bias.zero_()
            self.second.weight *= torch.tensor([1.0, 50.0, 1.0, 90.0, 1.0])

    def forward(self, x):
        return self.second(nn.functional.relu6(self.first(x)))


def test_relu6_is_exact_where_calibration_does_not_reach_it():
    torch.manual_seed(0)
    data = {"x": torch.rand(64, 4), "labels": torch.randint(0, 3, (64,))}
    session = open_model(Capped().eval(), data)
    found = session._preparer.rewrites.equalization(Recipe(fixes=(CrossLayerEqualization(),)), Work())
    assert found.rescaled.held == 2  # the first and the fifth channel are the same
    new = found.rescaled.overlay.tensors
    subject = session._subject
    assert changed(subject, new) < 1e-6
    old, weight = subject.program.state[subject.layers[0].weight], new[subject.layers[0].weight]
    assert torch.equal(old[[0, 4]], weight[[0, 4]])
    assert not torch.equal(old[[1, 2, 3]], weight[[1, 2, 3]])
    batch = subject.calib_batches[0]
    sheet = session._preparer.float_sheet_of(found.rescaled.overlay)
    values = subject.engine.values(sheet, batch, (subject.layers[0].step,))[subject.layers[0].step]
    assert float(values[:, 1:4].max()) <= 6.0


def test_dead_and_refused_groups_are_not_touched():
    torch.manual_seed(0)
    subject = opened(nn.Sequential(nn.Linear(5, 4), nn.SiLU(), nn.Linear(4, 3)), (5,))
    assert [group.refused for group in subject.scale_groups] == ["SiLU in between is not positively homogeneous"]
    assert equalize(subject.program.state, subject.scale_groups) == ({}, {})


@pytest.mark.parametrize("name", ["digits-mobilenet", "digits-resnet"])
def test_on_the_samples_ranges_meet_and_the_function_stays(name):
    subject = open_model(name)._subject
    new, _ = equalize(subject.program.state, subject.scale_groups, iterations=100)
    assert changed(subject, new) < 1e-5
    now = {**subject.program.state, **new}
    assert (
        sum(len(group.writers) > 1 for group in subject.scale_groups)
        == {"digits-mobilenet": 1, "digits-resnet": 3}[name]
    )
    for group in subject.scale_groups:
        assert group.refused is None
        written = np.max([rows(subject, now, layer) for layer in group.writers], 0)
        read = np.max([columns(subject, now, one.layer, one.spread) for one in group.readers], 0)
        np.testing.assert_allclose(written, read, rtol=5e-3)
