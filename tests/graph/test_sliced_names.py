"""Layers that are reached through a slice of a list of modules have the names of the list."""

import numpy as np
import pytest
from torch import nn

from qdebug.session import open as open_model


class _Stack(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(5)])
        self.part = part

    def forward(self, x):
        for layer in self.layers[self.part]:
            x = layer(x).relu()
        return x


@pytest.mark.parametrize(
    ("part", "places"),
    [
        (slice(None, 2), [0, 1]),
        (slice(2, None), [2, 3, 4]),
        (slice(1, None, 2), [1, 3]),
        (slice(0, 5), [0, 1, 2, 3, 4]),
    ],
)
def test_names_are_those_of_the_whole_list(part, places):
    session = open_model(_Stack(part), {"x": np.ones((4, 4), np.float32)})
    assert [layer.name for layer in session.info().layers] == [f"layers.{place}" for place in places]
