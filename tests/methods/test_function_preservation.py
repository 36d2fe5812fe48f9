"""Cross-layer equalization and SmoothQuant leave the float function as it was."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.recipes import CrossLayerEqualization, Recipe, SmoothQuant
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded

SAMPLES = ["digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt"]
FIXES = [
    (CrossLayerEqualization(),),
    (SmoothQuant(),),
    (SmoothQuant(alpha=0.9),),
    (CrossLayerEqualization(), SmoothQuant(alpha=0.3)),
]


def relative_change(session, fixes) -> float:
    recipe = Recipe(fixes=fixes)
    sheet = session._preparer.float_with_fixes(recipe, Work())
    subject, worst = session._subject, 0.0
    for batch in subject.eval_batches[:4]:
        one = subject.engine.output(session._preparer.float_sheet, batch).double()
        two = subject.engine.output(sheet, batch).double()
        worst = max(worst, float((one - two).norm() / one.norm()))
    return worst


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("fixes", FIXES)
def test_on_small_networks(kind, fixes):
    assert relative_change(open_model(seeded(kind), data_for(kind)), fixes) < 1e-5


@pytest.mark.parametrize("name", SAMPLES)
def test_on_the_samples(name):
    session = open_model(name)
    for fixes in FIXES:
        assert relative_change(session, fixes) < 1e-5


def test_something_was_rescaled():
    session = open_model(seeded(Attention), data_for(Attention))
    overlay = session._preparer.overlay(Recipe(fixes=(SmoothQuant(),)), Work())
    assert any(not torch.equal(new, session._subject.program.state[index]) for index, new in overlay.tensors.items())
