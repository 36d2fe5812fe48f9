"""How what is learned moves: the optimizers and their schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from qdebug.methods.adam import Adam

BITNET_DECAY = 0.1
"""Weight decay of the first half, where the recipe names none."""
SECOND_PEAK = 2 / 3
"""The second line's learning rate over the first's: 1.0e-3 and 1.5e-3, say, in BitNet b1.58's published settings."""
WARM_UP = 0.05
"""Part of the steps during which the two-stage rate rises to the first line."""
MOMENTUM = 0.9


Schedule = Literal["cosine", "two-stage"]
"""How the learning rate falls."""


class Mover(Protocol):
    """Moves one tensor."""

    def step(self, slope: Tensor, rate: float | None = None) -> None:
        """Take a step of that rate down a slope."""
        ...


class Momentum:
    """Gradient descent with momentum, on one tensor in place.

    Args:
        value: what is learned.
        rate: the step size.
    """

    def __init__(self, value: Tensor, rate: float) -> None:
        self._value, self._rate, self._speed = value, rate, torch.zeros_like(value)

    def step(self, slope: Tensor, rate: float | None = None) -> None:
        """Take a step down a slope of the value's shape, of the usual size or of another."""
        self._speed.mul_(MOMENTUM).add_(slope)
        self._value.add_(self._speed, alpha=-(self._rate if rate is None else rate))


class Descent:
    """Moves all that is learned, by gradients.

    Args:
        leaves: what is learned.
        decayed: how many of these, from the first on, are weights: they alone decay.
        optimizer: ``adam`` or ``sgd``.
        rate: the learning rate at its highest.
    """

    def __init__(self, leaves: Sequence[Tensor], decayed: int, optimizer: str, rate: float) -> None:
        self._leaves, self._decayed = leaves, decayed
        kind = Adam if optimizer == "adam" else Momentum
        self._movers: list[Mover] = [kind(leaf.detach(), rate) for leaf in leaves]

    def step(self, loss: Tensor, rate: float, decay: float) -> None:
        """Move one step down.

        Args:
            loss: what is to become smaller.
            rate: the learning rate now.
            decay: the weight decay now, apart from the gradient (Loshchilov and Hutter 2019, arXiv:1711.05101).
        """
        slopes = torch.autograd.grad(loss, self._leaves, allow_unused=True)
        with torch.no_grad():
            for place, (leaf, mover, slope) in enumerate(zip(self._leaves, self._movers, slopes, strict=True)):
                if slope is None:
                    continue
                if decay and place < self._decayed:
                    leaf.mul_(1 - rate * decay)
                mover.step(slope, rate)


def pace_at(turn: int, turns: int, schedule: Schedule, rate: float, decay: float) -> tuple[float, float]:
    """Learning rate and weight decay of a step.

    ``cosine``: from ``rate`` to 0 along half a cosine, with the decay throughout (the learning rate of Esser et al.
    2020, section 3). ``two-stage``: after a short warm-up along the line from ``rate`` to 0, and from the middle on
    along a lower line, which ends in 0 too; the decay, 0.1 where none is named, ends in the middle (BitNet b1.58: *The
    Era of 1-bit LLMs: Training Tips, Code and FAQ*, 2024; Ma et al. 2025, arXiv:2504.12285, section 3). The higher rate
    lets codes change in the first half; without decay the weights of the second half settle on one.

    Args:
        turn: of the step, from 0.
        turns: steps in all.
        schedule: which.
        rate: the highest learning rate.
        decay: the weight decay that is asked for.
    """
    along = turn / max(turns, 1)
    if schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * along)), decay
    if along >= 0.5:
        return SECOND_PEAK * rate * (1 - along), 0.0
    return rate * (1 - along) * min(1.0, (turn + 1) / max(1.0, WARM_UP * turns)), decay or BITNET_DECAY
