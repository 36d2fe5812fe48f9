"""Small matrices to be rounded on correlated inputs."""

import torch

from qdebug.quantize import weight_grid
from qdebug.recipes import parse_weight_format


def some(rows, columns, samples, seed=0):
    """A weight ``[rows, columns]`` and the mean of x xᵀ over samples of correlated inputs, float64."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=random)
    x = torch.randn(samples, columns, generator=random) @ mixing
    return torch.randn(rows, columns, generator=random), (x.T @ x / samples).double()


def grid_of(weight, text):
    """The weight's grid in a format that has one."""
    grid = weight_grid(weight, parse_weight_format(text))
    assert grid is not None
    return grid
