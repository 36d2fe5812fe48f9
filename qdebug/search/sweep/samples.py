"""The evaluation data in the order and the parts that a sweep looks at them."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import torch

from qdebug.doors import Dataset
from qdebug.engine import Batch
from qdebug.session import Session
from qdebug.session.subject import Subject

SEED = 0
FIRST = 8
"""The first part is this part of the data, and each next one doubles what was seen."""
FEWEST = 16
"""Samples in the first part, so that an interval rests on something."""


class Samples:
    """The evaluation data in random order, cut into batches, and batches into parts.

    Data may be sorted, so what is looked at first must be a random subset, and a random choice of *batches* would not
    do: samples of a batch would be alike, and an interval that takes them for independent too narrow. The samples
    themselves are therefore put in random order (always the same), and the sweep has batches of its own: whatever the
    order of the data, each part is a simple random sample without replacement. That assumes that a sample's output
    does not depend on the others in its batch, as everywhere here. It costs a copy of the inputs and one float pass.

    Args:
        subject: the model with its data.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        count = len(subject.data)
        self.count = count
        order = np.random.default_rng(SEED).permutation(count)
        self.data = _taken(subject.data, torch.as_tensor(order))

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """Batches, small enough for a first part and no larger than the engine's own."""
        return self._subject.batches(self.data, self.size)

    @property
    def size(self) -> int:
        """Samples per batch."""
        if self._subject.program.batch:
            return self._subject.program.batch
        return min(self._subject.batch_size, max(-(-self.count // FIRST), FEWEST))

    @cached_property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """``(first, last)`` batch of each part: an eighth, a quarter, a half, and all, in whole batches."""
        many = -(-self.count // self.size)
        least = -(-min(FEWEST, self.count) // self.size)
        ends = [max(-(-many * share // FIRST), least) for share in (1, 2, 4, 8)]
        ends = sorted({min(end, many) for end in ends})
        return tuple(zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Samples seen after each part."""
        return tuple(min(last * self.size, self.count) for _, last in self.parts)

    def labels(self, place: int) -> torch.Tensor | None:
        """The labels of one batch."""
        if self.data.labels is None:
            return None
        return self.data.labels[place * self.size : (place + 1) * self.size]


def identity(session: Session, samples: Samples) -> str:
    """Names everything but the recipe that a measurement depends on: model, data, calibration data and batches."""
    subject = session.subject
    total = hashlib.blake2b(digest_size=16)
    for part in (subject.info.digest, subject.task, f"{SEED}:{samples.size}"):
        total.update(f"{len(part)}:{part}".encode())
    for data in (samples.data, subject.calib):
        total.update(data.digest)
        if data.labels is not None:
            total.update(data.labels.contiguous().numpy().tobytes())
    return total.hexdigest()


def _taken(data: Dataset, order: torch.Tensor) -> Dataset:
    inputs = {name: tensor if name in data.alike else tensor[order] for name, tensor in data.inputs.items()}
    labels = None if data.labels is None else data.labels[order]
    return Dataset(inputs, labels, None, data.source, data.alike)
