"""Cross-layer equalization against its paper's closed form, written out slowly."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from qdebug.graph import chains
from qdebug.methods import equalize
from qdebug.session import open as open_model
from tests.networks import Residual, data_for, seeded


def opened(model, shape, classes=3):
    torch.manual_seed(0)
    data = {"input": torch.randn(6, *shape), "labels": torch.randint(0, classes, (6,))}
    return open_model(model.eval(), data)._subject


def test_one_pair_by_hand():
    torch.manual_seed(3)
    subject = opened(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)), (5,))
    first, second = subject.layers
    state = subject.program.state
    w1, b1, w2 = (state[i].double().numpy() for i in (first.weight, first.bias, second.weight))
    r1, r2 = np.abs(w1).max(1), np.abs(w2).max(0)
    s = np.sqrt(r1 / r2)
    got = equalize(state, subject.chains)
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
    new = {**subject.program.state, **equalize(subject.program.state, subject.chains, iterations=200)}
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
    got = equalize(subject.program.state, subject.chains)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in got.values())
    assert torch.equal(got[subject.layers[0].weight][2], subject.program.state[subject.layers[0].weight][2])


def test_refused_pairs_are_not_touched():
    subject = open_model(seeded(Residual), data_for(Residual))._subject
    refused = [chain for chain in chains(subject.program, subject.layers) if chain.refused]
    assert refused and not equalize(subject.program.state, refused)
