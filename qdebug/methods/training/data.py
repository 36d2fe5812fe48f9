"""What a network is trained on, and what it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from qdebug.doors import Dataset
from qdebug.engine import Batch

Places = NDArray[np.int64]
"""Of samples, ``[n]``."""
MOST_HELD_OUT = 512
FEW_HELD_OUT = 64
"""As many may be held out however short the training is."""


@dataclass(frozen=True)
class TrainingData:
    """Samples to train on. None of them is evaluated on.

    Attributes:
        data: the samples.
        batch_of: a batch of some of them, by their places.
        largest: samples that a batch may have; None for any number.
        axis: along which the scores of classes lie in the model's output; None where it holds no such scores.
        ignored: labels that are no targets.
    """

    data: Dataset
    batch_of: Callable[[Places], Batch]
    largest: int | None = None
    axis: int | None = None
    ignored: tuple[int, ...] = ()

    @cached_property
    def key(self) -> bytes:
        """A hash of the samples and their labels, and of how outputs are looked at."""
        labels = b"" if self.data.labels is None else self.data.labels.contiguous().numpy().tobytes()
        return blake3(self.data.digest + labels + repr((self.largest, self.axis, self.ignored)).encode()).digest(16)


def parted(count: int, held_out: float, seed: int, most: int = MOST_HELD_OUT) -> tuple[Places, Places]:
    """Places of samples to train on, and of those held out.

    Args:
        count: samples.
        held_out: part that is held out; at least one sample where there are two.
        seed: of the choice.
        most: samples that are held out at most.

    Returns:
        Both in ascending order. With one sample, or ``held_out`` 0, nothing is held out, and all are looked at.
    """
    order = np.random.default_rng(seed).permutation(count)
    wanted = min(round(count * held_out), most, count - 1)
    if held_out > 0 and count > 1:
        wanted = max(1, wanted)
    if not wanted:
        return np.arange(count), np.arange(min(count, most))
    return np.sort(order[wanted:]), np.sort(order[:wanted])


def turns(places: Places, size: int, many: int, seed: int) -> list[Places]:
    """The samples of each step: all of them in one random order after the other, in batches that are full.

    Args:
        places: of samples to train on.
        size: of a batch.
        many: steps.
        seed: of the orders.
    """
    dice, size = np.random.default_rng((seed, 1)), min(size, len(places))
    found: list[Places] = []
    while len(found) < many:
        order = dice.permutation(places)
        found += [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    return found[:many]
