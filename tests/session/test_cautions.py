"""Fixes that may leave a layer worse than rounding to nearest say so where people meet them."""

from __future__ import annotations

import pytest
import torch

from qdebug.recipes import Hadamard, preset, with_fix
from qdebug.recipes.fixes.base import NO_GUARD
from qdebug.session import open as open_model
from tests.methods.layer_errors import squared_changes, without_fixes

UNGUARDED = {"hadamard", "hqq", "ldlq", "low-rank", "outliers"}


@pytest.fixture(scope="module")
def exact():
    """A layer whose weights are codes of int4 already: rounding to nearest takes nothing from them."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(16, 8)
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-7, 8, (8, 16)).float())
        layer.weight[:, 0] = 7
    return open_model(torch.nn.Sequential(layer), {"input": torch.randn(32, 16), "labels": torch.zeros(32).long()})


def test_cards_say_it(exact):
    said = {card.method for card in exact.fixes(preset("w4a16")) if NO_GUARD in card.about}
    assert said == UNGUARDED


def test_it_is_true_of_a_rotation(exact):
    recipe = with_fix(preset("w4a16"), Hadamard())
    nearest, rotated = (sum(squared_changes(exact, one).values()) for one in (without_fixes(recipe), recipe))
    assert nearest < 1e-6 < 0.01 < rotated
