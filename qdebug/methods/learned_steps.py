"""The step of an activation's grid learned with what reads it.

Esser, McKinstry, Bablani, Appuswamy, Modha: *Learned Step Size Quantization*, ICLR 2020 (arXiv:1902.08153), section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from qdebug.engine import LayerQuant
from qdebug.quantize import QParams, fake_quantize


class LearnedStep:
    """A uniform grid for all values of an activation, whose scale is learned as a factor on the one it begins with.

    Args:
        grid: with one scale. Its zero point stays.
    """

    def __init__(self, grid: QParams) -> None:
        self._grid = grid
        self.stretch = torch.zeros((), requires_grad=True)
        """The logarithm of the factor."""

    def __call__(self, x: Tensor) -> Tensor:
        """The values on the grid as it stands; gradients as in equations 3 and 5 of the paper."""
        found: Tensor = _Step.apply(x, self.stretch, self.grid())
        return found

    def grid(self) -> QParams:
        """The grid as it stands."""
        return replace(self._grid, scale=self._grid.scale * self.stretch.detach().exp())


class _Step(torch.autograd.Function):
    """Rounding to a grid; its gradient passes inside the grid's limits, and outside moves the limit."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stretch: Tensor, grid: QParams) -> Tensor:
        found = fake_quantize(x, grid)
        low, high = grid.clip_min.float(), grid.clip_max.float()
        inside = (x >= low) & (x <= high)
        ctx.save_for_backward(inside, torch.where(inside, found - x, found))
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        inside, moved = ctx.saved_tensors
        return grads[0] * inside, (grads[0] * moved).sum(), None


def learned_steps(quants: Mapping[int, LayerQuant], readers: Mapping[int, int]) -> dict[int, LearnedStep]:
    """A step for each static input in integers with a single scale; one for all layers that read the same value alike.

    Args:
        quants: how layers are quantized, by step.
        readers: what each layer reads, by the layer's step.
    """
    shared: dict[tuple[int, bytes], LearnedStep] = {}
    found: dict[int, LearnedStep] = {}
    for step, x in readers.items():
        quant = quants.get(step)
        if quant is None or quant.plan.activation.range == "stored" or quant.basis is not None:
            continue
        grid, plan = quant.activation, quant.plan.activation
        if isinstance(grid, QParams) and not grid.scale.dim() and plan.rounding == "half_even" and plan.clip is None:
            found[step] = shared.setdefault((x, quant.activation_key), LearnedStep(grid))
    return found
