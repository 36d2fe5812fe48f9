"""Bias correction takes each layer's mean error away, layer after layer, also where there was no bias."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.recipes import BiasCorrection, Recipe, parse_plan
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def channel_means(session, sheet, layer):
    total = [
        session._subject.engine.values(sheet, b, (layer.step,))[layer.step][: b.count]
        for b in session._subject.calib_batches
    ]
    return torch.cat(total).double().movedim(layer.channel_axis, 0).flatten(1).mean(1)


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_the_mean_output_error_vanishes(kind):
    session = open_model(seeded(kind), data_for(kind))
    plain = Recipe(default=parse_plan("w4a8"))
    fixed = Recipe(default=parse_plan("w4a8"), fixes=(BiasCorrection(),))
    before, after = (session._preparer.sheet(recipe, Work()) for recipe in (plain, fixed))
    reference = session._preparer.float_sheet
    for layer in session._subject.layers:
        if layer.kind == "embedding":
            continue
        expected = channel_means(session, reference, layer)
        wrong = (channel_means(session, before, layer) - expected).abs().max()
        left = (channel_means(session, after, layer) - expected).abs().max()
        assert wrong > 1e-4
        assert left < 1e-5


def test_float_layers_are_left_alone():
    session = open_model(seeded(Residual), data_for(Residual))
    sheet = session._preparer.sheet(Recipe(fixes=(BiasCorrection(),)), Work())
    assert not sheet.overlay.tensors and not sheet.overlay.biases
