"""The evaluation data in the order and the parts that a sweep looks at them."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import torch

from qdebug.doors import Dataset
from qdebug.engine import Batch
from qdebug.search.sweep.sketch import width
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

    Attributes:
        count: samples there are.
        order: the place in the subject's data of each sample.
        data: the samples in that order.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        count = len(subject.data)
        self.count = count
        self.order = np.random.default_rng(SEED).permutation(count)
        self.data = _taken(subject.data, torch.as_tensor(self.order))

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """Batches about as large as the engine's own, none of them across the border of two parts."""
        return self._subject.batches_between(self.data, self._borders)

    @cached_property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """``(first, last)`` batch of each part."""
        ends = [self._borders.index(end) for end in self.ends]
        return tuple(zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Samples seen after each part: an eighth, a quarter, a half, and all, in steps of a small batch."""
        subject = self._subject
        step = subject.program.batch or min(subject.batch_size, max(-(-self.count // FIRST), FEWEST))
        many = -(-self.count // step)
        least = -(-min(FEWEST, self.count) // step)
        ends = {min(max(-(-many * share // FIRST), least), many) for share in (1, 2, 4, 8)}
        return tuple(min(end * step, self.count) for end in sorted(ends))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Samples of each part."""
        return tuple(end - start for start, end in pairwise((0, *self.ends)))

    @property
    def values(self) -> int:
        """Numbers that the model's output for one sample has."""
        return math.prod(self._subject.shapes[self._subject.program.output][1:])

    @property
    def sums(self) -> int:
        """Numbers that stand for the change of one sample's output (:mod:`.sketch`)."""
        return width(self.count, self.values)

    def start(self, place: int) -> int:
        """The place of a batch's first sample."""
        return self._borders[place]

    @cached_property
    def _borders(self) -> tuple[int, ...]:
        """Where batches begin and end, in samples."""
        starts = (0, *self.ends[:-1])
        cuts = (range(start, end, self._step(end - start)) for start, end in zip(starts, self.ends, strict=True))
        return (*chain.from_iterable(cuts), self.count)

    def _step(self, count: int) -> int:
        """Samples per batch of a part: alike, and an eighth above the engine's own at most, so that none is tiny."""
        most = self._subject.batch_size
        return self._subject.program.batch or -(-count // -(-count // (most + most // 8)))

    def labels(self, place: int) -> torch.Tensor | None:
        """The labels of one batch."""
        return None if self._labels is None else self._labels[place]

    @cached_property
    def _labels(self) -> tuple[torch.Tensor, ...] | None:
        labels = self.data.labels
        return None if labels is None else tuple(labels[start:end] for start, end in pairwise(self._borders))

    def part_of(self, first: int, last: int) -> float:
        """How much of the data lies in some batches, the last left out, 0 to 1."""
        return (self._borders[last] - self._borders[first]) / self.count


def identity(session: Session, samples: Samples) -> str:
    """Names everything but the recipe that a measurement depends on: model, data, calibration data and batches."""
    subject = session.subject
    total = hashlib.blake2b(digest_size=16)
    for part in (subject.info.digest, subject.meter.identity, f"{SEED}:{[batch.count for batch in samples.batches]}"):
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
