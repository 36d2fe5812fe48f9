"""Textbook distributions to try formats on: seeded, so that everyone sees the same values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

ROWS, COLUMNS = 256, 512
_SEED = 20261121
_LOUD, _EVERY = 40.0, 128

Dice = np.random.Generator


def _outliers(dice: Dice, shape: tuple[int, int]) -> np.ndarray:
    values = dice.standard_normal(shape)
    values[:, ::_EVERY] *= _LOUD  # four channels of 512, as in the activations of large language models
    return values


_DRAW: dict[str, Callable[[Dice, tuple[int, int]], np.ndarray]] = {
    "gaussian": lambda dice, shape: dice.standard_normal(shape),
    "laplace": lambda dice, shape: dice.laplace(size=shape),
    "student": lambda dice, shape: dice.standard_t(4, size=shape),
    "uniform": lambda dice, shape: dice.uniform(-1, 1, size=shape),
    "outliers": _outliers,
    "relu": lambda dice, shape: np.maximum(dice.standard_normal(shape), 0),
}


def draw(name: str) -> Tensor:
    """Values of one of ``qdebug.results.DISTRIBUTIONS``, float32 ``[256, 512]``; the same every time."""
    return torch.from_numpy(_DRAW[name](np.random.default_rng(_SEED), (ROWS, COLUMNS)).astype(np.float32))
