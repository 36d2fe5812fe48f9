"""Adam on gradients written by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Adam:
    """Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1, on one tensor in place.

    Args:
        value: what is learned.
        rate: the step size.
        betas: decay of the first and second moments.
        epsilon: added to the root of the second.
    """

    def __init__(
        self, value: Tensor, rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8
    ) -> None:  # fmt: skip
        self._value, self._rate, self._betas, self._epsilon = value, rate, betas, epsilon
        self._first, self._second = torch.zeros_like(value), torch.zeros_like(value)
        self._turns = 0

    def step(self, slope: Tensor, rate: float | None = None) -> None:
        """Take a step down a slope of the value's shape, of the usual size or of another."""
        self._turns += 1
        rate = self._rate if rate is None else rate
        one, two = self._betas
        self._first.lerp_(slope, 1 - one)
        self._second.mul_(two).addcmul_(slope, slope, value=1 - two)
        root = self._second.sqrt().div_(math.sqrt(1 - two**self._turns)).add_(self._epsilon)
        self._value.addcdiv_(self._first, root, value=-rate / (1 - one**self._turns))
