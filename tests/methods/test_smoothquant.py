"""SmoothQuant against its paper's formula, written out slowly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import MethodError
from qdebug.recipes import Recipe, SmoothQuant
from qdebug.session import open as open_model
from tests.networks import Attention, data_for, seeded


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_formula(alpha):
    model, data = seeded(Attention), data_for(Attention)
    session = open_model(model, data)
    subject = session._subject
    with torch.no_grad():
        normed = model.norm(model.embed(data["tokens"])).double().abs().amax((0, 1)).numpy()
    w_max = np.max([getattr(model, n).weight.detach().double().abs().amax(0).numpy() for n in "qkv"], axis=0)
    s = normed**alpha / w_max ** (1 - alpha)
    overlay = session._preparer.overlay(Recipe(fixes=(SmoothQuant(alpha=alpha),)), Work())
    site = subject.norm_sites[0]
    np.testing.assert_allclose(overlay.tensors[site.scale].numpy(), model.norm.weight.detach().numpy() / s, rtol=2e-6)
    np.testing.assert_allclose(
        overlay.tensors[site.bias].numpy(), model.norm.bias.detach().numpy() / s, rtol=2e-6, atol=1e-12
    )
    for layer in site.layers:
        np.testing.assert_allclose(
            overlay.tensors[layer.weight].numpy(), getattr(model, layer.name).weight.detach().numpy() * s, rtol=2e-6
        )


def test_dead_channels_keep_their_scale():
    model = seeded(Attention)
    with torch.no_grad():
        model.norm.weight[3], model.norm.bias[3] = 0.0, 0.0
        for name in "qkv":
            getattr(model, name).weight[:, 5] = 0.0
    session = open_model(model, data_for(Attention))
    overlay = session._preparer.overlay(Recipe(fixes=(SmoothQuant(alpha=1.0),)), Work())
    site = session._subject.norm_sites[0]
    assert torch.equal(overlay.tensors[site.scale][[3, 5]], model.norm.weight.detach()[[3, 5]])
    assert all(bool(torch.isfinite(tensor).all()) for tensor in overlay.tensors.values())


def test_alpha_out_of_range():
    session = open_model(seeded(Attention), data_for(Attention))
    with pytest.raises(MethodError, match="between 0 and 1"):
        session.score(Recipe(fixes=(SmoothQuant(alpha=1.5),)))
