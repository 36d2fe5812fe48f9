"""Measures one item on one part of the data, wherever it runs, always on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qdebug.engine import Sheet, Work
from qdebug.engine.threads import one_thread
from qdebug.errors import QDebugError
from qdebug.measure import Predictions
from qdebug.measure.compare import value
from qdebug.measure.losses import Loss
from qdebug.recipes import Recipe
from qdebug.results.sensitivity import Measure
from qdebug.search.sweep.samples import Samples
from qdebug.search.sweep.sketch import Sketcher
from qdebug.session import Session

_TOGETHER, _MOST = 0.03, 32
"""Seconds, and tasks, that are run before their outputs are looked at: what little that computes takes three times as
long where its code has to come back into the processor's cache each time, after a network has run."""
_HELD = 1 << 18
"""Bytes of a task's outputs that may wait for that."""

_Given = TypeVar("_Given")


class Task(msgspec.Struct, frozen=True):
    """A recipe on some batches.

    Attributes:
        number: the caller's own.
        recipe: what is measured.
        base: the recipe whose values are worth remembering: equal to it upstream of the layer in question.
        first, last: the sweep's batches, the last left out.
        measure: what is measured of each sample.
        sums: that stand for the change of each sample's output (:mod:`.sketch`); 0 where nothing does.
    """

    number: int
    recipe: Recipe
    base: Recipe
    first: int
    last: int
    measure: Measure = "squared"
    sums: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        number: the task's.
        numbers: float64, little-endian: the metric, its weight, each sample's error, and what stands for the change of
            each sample's output, sample by sample.
        seconds: what it took.
    """

    number: int
    numbers: bytes
    seconds: float

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers."""
        return np.frombuffer(self.numbers, "<f8").astype(np.float64)


class Bench:
    """Measures items of one session.

    Values of the base recipe are remembered in the engine's cache and those of items are not: each item costs only
    what lies downstream of its layer, and does not push out what the others start from.
    """

    def __init__(self, session: Session, samples: Samples | None = None) -> None:
        self._session = session
        self.samples = samples or Samples(session.subject)
        self._fits: set[Recipe] = set()
        self._floats: dict[int, Predictions] = {}
        self._losses: dict[Measure, Loss] = {}
        self._sketchers: dict[int, Sketcher] = {}

    def measure(self, task: Task, work: Work) -> Answer:
        """The numbers of one task.

        Raises:
            RecipeError: the recipe does not fit the model.
        """
        with one_thread():
            return self._answer(self._walked(self._ready(task, work), work))

    def measure_some(self, tasks: Sequence[Task], work: Work) -> list[Answer]:
        """The numbers of the first few tasks, one at least: all are made ready, then all run, then all looked at.

        Raises:
            QDebugError: the first task failed. Where a later one does, there are the answers to those before it.
        """
        with one_thread():
            ready = _some(tasks[:_MOST], lambda task: self._ready(task, work), _TOGETHER / 4)
            walks = _some(ready, lambda walk: self._walked(walk, work), _TOGETHER)
            return [self._answer(walk) for walk in walks]

    def _ready(self, task: Task, work: Work) -> _Walk:
        """A task with its sheets, and with what it quantizes of the model."""
        start, cache = time.perf_counter(), self._session.subject.engine.cache
        base, sheet = self._sheet(task.base, work), self._sheet(task.recipe, work)
        for step, quant in sheet.quants.items():
            if base.quants.get(step) != quant:
                sheet.weight(sheet.layers[step], cache)
        return _Walk(task, base, sheet, time.perf_counter() - start)

    def _walked(self, walk: _Walk, work: Work) -> _Walk:
        """The outputs of a task's recipe beside the float model's; they are looked at once they are many."""
        start, task = time.perf_counter(), walk.task
        prepared, subject = self._session.preparer, self._session.subject
        engine, reference, output = subject.engine, prepared.float_sheet, subject.program.output
        based = walk.base.keys[output] != reference.keys[output]
        for place in range(task.first, task.last):
            work.check()
            batch = self.samples.batches[place]
            before = engine.output(reference, batch, work)
            if based:
                engine.output(walk.base, batch, work)  # what it leaves in the cache is where the item starts from
            after = engine.output(walk.sheet, batch, work, remember=False)
            walk.outputs.append((place, before, after))
            if sum(two.nbytes for _, _, two in walk.outputs) > _HELD:
                self._look(walk)
        walk.seconds += time.perf_counter() - start
        return walk

    def _look(self, walk: _Walk) -> None:
        """What a walk's outputs say."""
        task, subject = walk.task, self._session.subject
        loss = self._losses.get(task.measure) or self._losses.setdefault(task.measure, subject.loss(task.measure))
        for place, before, after in walk.outputs:
            labels = self.samples.labels(place)
            walk.errors.append(loss.changes(before, after, labels))
            if task.sums:
                sketcher = self._sketcher(task.sums)
                walk.changes.append(sketcher.sketch(before, after, self.samples.start(place)).reshape(-1))
            walk.floats.append(self._float(place, before, labels))
            walk.said.append(subject.meter.predictions(after, labels))
        walk.outputs.clear()

    def _answer(self, walk: _Walk) -> Answer:
        start = time.perf_counter()
        self._look(walk)
        joined = Predictions.join(walk.floats)
        metric = value(joined, Predictions.join(walk.said), self._session.subject.meter.task)
        numbers = np.concatenate([[metric, _weight(joined)], *walk.errors, *walk.changes])
        seconds = walk.seconds + time.perf_counter() - start
        return Answer(walk.task.number, numbers.astype("<f8").tobytes(), seconds)

    def _float(self, place: int, output: Tensor, labels: Tensor | None) -> Predictions:
        """What the float model predicts on a batch; remembered, unless that were the whole output once more."""
        found = self._floats.get(place)
        if found is None:
            found = self._session.subject.meter.predictions(output, labels)
            if found.values is None:
                self._floats[place] = found
        return found

    def _sketcher(self, sums: int) -> Sketcher:
        if sums not in self._sketchers:
            self._sketchers[sums] = Sketcher(self.samples.count, self.samples.values, sums)
        return self._sketchers[sums]

    def _sheet(self, recipe: Recipe, work: Work) -> Sheet:
        if recipe not in self._fits:
            self._session.check(recipe)
            self._fits.add(recipe)
        return self._session.preparer.sheet(recipe, work)


@dataclass(eq=False)
class _Walk:
    """A task under way.

    Attributes:
        task: the task.
        base, sheet: what it starts from and what it runs.
        seconds: what it took so far.
        outputs: batches with the float model's output and the recipe's, not yet looked at.
        errors, changes, floats, said: what the other batches' outputs say.
    """

    task: Task
    base: Sheet
    sheet: Sheet
    seconds: float
    outputs: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)
    errors: list[NDArray[np.float64]] = field(default_factory=list)
    changes: list[NDArray[np.float64]] = field(default_factory=list)
    floats: list[Predictions] = field(default_factory=list)
    said: list[Predictions] = field(default_factory=list)


def _some(given: Iterable[_Given], do: Callable[[_Given], _Walk], most: float) -> list[_Walk]:
    """``do`` of the first few, one at least, of as many as some seconds allow; those before one that fails."""
    start, found = time.perf_counter(), list[_Walk]()
    for one in given:
        try:
            found.append(do(one))
        except QDebugError:
            if not found:
                raise
            break
        if time.perf_counter() - start > most:
            break
    return found


def joined_metric(name: str, parts: Sequence[tuple[float, float]]) -> float:
    """The metric over all parts, from that of each part and its weight.

    Shares are averaged, perplexities in log space over tokens, and ratios of error to signal over the signal.

    Args:
        name: the metric's.
        parts: metric and weight of each part.
    """
    values, weights = np.array(parts).T
    total = float(weights.sum())
    if not total:
        return float(values[-1])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if name == "perplexity":
            return float(np.exp((np.log(values) * weights).sum() / total))
        if name == "sqnr_db":
            return float(-10 * np.log10((10 ** (-values / 10) * weights).sum() / total))
        return float((values * weights).sum() / total)


def _weight(reference: Predictions) -> float:
    if reference.scores is not None or reference.task == "drift":
        return float(reference.samples)
    if reference.task == "embedding":
        return float(np.any(np.asarray(reference.values) != 0, axis=-1).sum())
    if reference.values is None:
        return float(0 if reference.top1 is None else len(reference.top1))
    values = np.where(np.isfinite(reference.values), reference.values, 0.0).astype(np.float64)
    return float(np.square(values).sum())
