"""The answers that differ between two recipes, the most decided first, and pages of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.engine import Sheet, Work
from qdebug.errors import UsageError
from qdebug.measure import Predictions
from qdebug.measure.predictions import IGNORED
from qdebug.measure.scores import changed_at
from qdebug.results import FlippedSample, Flips
from qdebug.results.comparison import Direction, Reference, Unit
from qdebug.session.excerpts import excerpt
from qdebug.session.pictures import picture
from qdebug.session.subject import Subject

LARGEST_PAGE = 96
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

Numbers = NDArray[np.float64]
Three = tuple[Predictions, Predictions, Predictions]
"""Of the float model, of A and of B."""
Side = tuple[Subject, Sheet]
"""What a side runs: of two recipes the same subject, of two versions of a model another."""


@dataclass(frozen=True, eq=False, slots=True)
class Flipped:
    """Every answer that changed, the most decided first: ``[F]`` each, None where it does not apply.

    Attributes:
        sample: its sample.
        position: its place in the sequence.
        direction: index into ``DIRECTIONS``.
        answers: right one, A's and B's, ``[3, F]``.
        margins: by how much A and B score their own answer above the other's, ``[2, F]``; NaN where there is none.
        errors: A's and B's, ``[2, F]``.
        moved: how far A and B are apart.
    """

    sample: NDArray[np.int64]
    position: NDArray[np.int64] | None
    direction: NDArray[np.int64]
    answers: NDArray[np.int64] | None
    margins: Numbers | None
    errors: Numbers | None
    moved: Numbers | None


def find_flips(sides: tuple[Side, Side], found: Three, work: Work) -> Flipped:
    """Everything that changed from A to B, on the data of A, which are those of B too.

    Classes are ordered by the sum of both margins, images by the share of pixels that changed, outputs by how far they
    moved.
    """
    unit = unit_of(found[0])
    if unit == "output":
        return _outputs(found)
    return _images(found) if unit == "image" else _classes(sides, found, work)


def reference_of(base: Predictions) -> Reference:
    """What is right, by the float model's predictions."""
    return "float" if base.correct is None else "labels"


def unit_of(base: Predictions) -> Unit:
    """What changes, by the float model's predictions."""
    if base.values is not None or base.top1 is None:
        return "output"
    if base.task == "segmentation":
        return "image"
    return "sample" if base.task == "classification" or len(base.top1) == base.samples else "token"


def _directions(right: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> NDArray[np.int64]:
    before, after = right
    return np.where(before & ~after, 0, np.where(after & ~before, 1, 2)).astype(np.int64)


def _classes(sides: tuple[Side, Side], found: Three, work: Work) -> Flipped:
    base, one, two = found
    subject, _ = sides[0]
    first, second = np.asarray(one.top1), np.asarray(two.top1)
    changed = np.flatnonzero(changed_at(one, two))
    sample, position, right = _places(subject, base)
    sample, right = sample[changed], right[changed]
    place = None if position is None else position[changed]
    answers = np.stack([right, first[changed], second[changed]]).astype(np.int64)
    margins = _margins(sides, sample, place, answers, work)
    direction = _directions((_right(one, base, changed), _right(two, base, changed)))
    order = np.lexsort((sample, -np.nan_to_num(margins.sum(0), nan=-1.0)))
    return Flipped(
        sample[order], None if place is None else place[order], direction[order], answers[:, order],
        margins[:, order], None, None,
    )  # fmt: skip


def _right(side: Predictions, base: Predictions, changed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the changed answers count as right: by the metric, or without labels those of the float model."""
    if side.correct is not None:
        return side.correct[changed]
    return np.asarray(side.top1)[changed] == np.asarray(base.top1)[changed]


def _places(subject: Subject, base: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray]:
    """Sample and position of each prediction, and the class that is right."""
    top1, labels = np.asarray(base.top1), subject.data.labels
    if len(top1) == base.samples:
        right = top1 if base.correct is None or labels is None else labels.numpy()
        return np.arange(base.samples), None, right
    if base.correct is None or labels is None:
        each = len(top1) // base.samples
        sample, position = np.divmod(np.arange(len(top1)), each)
        return sample, position, top1
    target = labels.numpy() != IGNORED
    sample, position = np.nonzero(target)
    return sample, position, labels.numpy()[target]


def _margins(
    sides: tuple[Side, Side], sample: NDArray[np.int64], position: NDArray[np.int64] | None,
    answers: NDArray[np.int64], work: Work,
) -> Numbers:  # fmt: skip
    """Score of one's own answer minus that of the other's, ``[2, F]``."""
    found = np.full((2, len(sample)), np.nan)
    for side, (subject, sheet) in enumerate(sides):
        start = 0
        for done, batch in enumerate(subject.eval_batches):
            work.step(done, len(subject.eval_batches), "looking at what changed")
            inside = np.flatnonzero((sample >= start) & (sample < start + batch.count))
            rows = torch.from_numpy(sample[inside] - start)
            if len(inside):
                scores = subject.engine.output(sheet, batch, work)
                scores = scores[rows] if position is None else scores[rows, torch.from_numpy(position[inside])]
                found[side, inside] = _margin(scores, answers[1 + side, inside], answers[2 - side, inside])
            start += batch.count
    return found


def _margin(scores: Tensor, own: NDArray[np.int64], other: NDArray[np.int64]) -> Numbers:
    """Of scores ``[F, C]``; NaN where an answer is none, or a class that these scores do not have."""
    rows = np.arange(len(own))
    scores = scores.reshape(len(own), -1)
    value = scores.detach().double().cpu().numpy()
    there = [(one >= 0) & (one < value.shape[1]) for one in (own, other)]
    picked = [value[rows, np.where(known, one, 0)] for known, one in zip(there, (own, other), strict=True)]
    margin = picked[0] - picked[1]
    return np.where(there[0] & there[1] & np.isfinite(margin), margin, np.nan)


def _images(found: Three) -> Flipped:
    base, one, two = found
    count = base.samples
    first, second = np.asarray(one.top1), np.asarray(two.top1)
    each = np.full(count, len(first) // count) if base.targets is None else np.asarray(base.targets)
    image = np.repeat(np.arange(count), each)
    if base.correct is None:
        before, after = first == base.top1, second == base.top1
    else:
        before, after = np.asarray(one.correct), np.asarray(two.correct)

    def share(of: NDArray[np.bool_]) -> Numbers:
        return np.bincount(image, weights=of, minlength=count) / np.maximum(each, 1)

    moved, errors = share(first != second), np.stack([share(~before), share(~after)])
    return _by_amount(moved, errors)


def _outputs(found: Three) -> Flipped:
    base, one, two = (
        np.nan_to_num(np.asarray(side.values, dtype=np.float64).reshape(side.samples, -1)) for side in found
    )
    size = np.sqrt(np.square(base).sum(1))
    size = np.where(size > 0, size, 1.0)

    def distance(a: Numbers, b: Numbers) -> Numbers:
        return np.asarray(np.sqrt(np.square(a - b).sum(1)) / size)

    return _by_amount(distance(one, two), np.stack([distance(one, base), distance(two, base)]))


def _by_amount(moved: Numbers, errors: Numbers) -> Flipped:
    changed = np.flatnonzero(moved > 0)
    order = changed[np.argsort(-moved[changed], kind="stable")]
    errors = errors[:, order]
    direction = np.where(errors[1] > errors[0], 0, np.where(errors[1] < errors[0], 1, 2)).astype(np.int64)
    return Flipped(order, None, direction, None, None, errors, moved[order])


def page(
    subject: Subject, found: Flipped, base: Predictions, direction: Direction | None, start: int, most: int
) -> Flips:
    """Some of what changed, with pictures and texts; ``base`` is what the float model predicts.

    Raises:
        UsageError: fewer than one or too many are asked for, or a direction that there is not.
    """
    if not 1 <= most <= LARGEST_PAGE or start < 0:
        raise UsageError(f"A page of {most} from {start}", do=f"Ask for 1 to {LARGEST_PAGE}, from 0 on.")
    if direction is not None and direction not in DIRECTIONS:
        raise UsageError(f"There is no direction '{direction}'", do=f"Use {', '.join(DIRECTIONS)}.")
    counts = [int((found.direction == index).sum()) for index in range(3)]
    wanted = np.arange(len(found.sample))
    if direction is not None:
        wanted = np.flatnonzero(found.direction == DIRECTIONS.index(direction))
    shape = subject.shapes[subject.program.output]
    rows = tuple(_row(subject, found, int(at), shape[-1] if shape else 0) for at in wanted[start : start + most])
    unit = unit_of(base)
    predictions = base.samples if base.top1 is None or unit == "image" else len(base.top1)
    return Flips(
        unit=unit, reference=reference_of(base), counts=(counts[0], counts[1], counts[2]), predictions=predictions,
        direction=direction, start=start, total=len(wanted), rows=rows,
    )  # fmt: skip


def _row(subject: Subject, found: Flipped, at: int, classes: int) -> FlippedSample:
    data, sample = subject.data, int(found.sample[at])
    position = None if found.position is None else int(found.position[at])
    target, a, b = (None, None, None) if found.answers is None else map(int, found.answers[:, at])
    margins, errors = (
        (None, None) if pair is None else (_number(pair[0, at]), _number(pair[1, at]))
        for pair in (found.margins, found.errors)
    )
    text = None
    if position is not None and a is not None and b is not None:
        text = excerpt(data, classes, sample, position, target, a, b)
    return FlippedSample(
        sample=sample, position=position, direction=DIRECTIONS[found.direction[at]], target=target, a=a, b=b,
        margin_a=margins[0], margin_b=margins[1], error_a=errors[0], error_b=errors[1],
        moved=None if found.moved is None else float(found.moved[at]), picture=picture(data, sample), text=text,
        group="" if data.group is None else str(data.group[sample]),
    )  # fmt: skip


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
