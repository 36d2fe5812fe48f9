"""Measures one item on one part of the data, wherever it runs, always on one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from qdebug.engine import Sheet, Work
from qdebug.measure import Predictions, compare, predictions
from qdebug.recipes import Recipe
from qdebug.results import Metric
from qdebug.search.sweep.samples import Samples
from qdebug.session import Session
from qdebug.session.shares import squared_changes


class Task(msgspec.Struct, frozen=True):
    """A recipe on some batches.

    Attributes:
        number: the caller's own.
        recipe: what is measured.
        base: the recipe whose values are worth remembering: equal to it upstream of the layer in question.
        first, last: the sweep's batches, the last left out.
    """

    number: int
    recipe: Recipe
    base: Recipe
    first: int
    last: int


class Answer(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        number: the task's.
        numbers: float64, little-endian: the metric, its weight, and each sample's squared error.
        seconds: what it took.
    """

    number: int
    numbers: bytes
    seconds: float

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers."""
        return np.frombuffer(self.numbers, "<f8").astype(np.float64)


@contextmanager
def one_thread() -> Iterator[None]:
    """While torch computes on one thread: sums in another order could differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Bench:
    """Measures items of one session.

    Values of the base recipe are remembered in the engine's cache and those of items are not: each item costs only
    what lies downstream of its layer, and does not push out what the others start from.
    """

    def __init__(self, session: Session, samples: Samples | None = None) -> None:
        self._session = session
        self.samples = samples or Samples(session.subject)

    def measure(self, task: Task, work: Work) -> Answer:
        """The numbers of one task.

        Raises:
            RecipeError: the recipe does not fit the model.
        """
        start = time.perf_counter()
        with one_thread():
            numbers = self._numbers(task, work)
        return Answer(task.number, numbers.astype("<f8").tobytes(), time.perf_counter() - start)

    def _numbers(self, task: Task, work: Work) -> NDArray[np.float64]:
        prepared, subject = self._session.preparer, self._session.subject
        engine, reference = subject.engine, prepared.float_sheet
        for recipe in (task.recipe, task.base):
            self._session.check(recipe)
        base, sheet = self._sheet(task.base, work), self._sheet(task.recipe, work)
        errors: list[NDArray[np.float64]] = []
        floats: list[Predictions] = []
        said: list[Predictions] = []
        for place in range(task.first, task.last):
            work.check()
            batch, labels = self.samples.batches[place], self.samples.labels(place)
            before = engine.output(reference, batch, work)
            engine.output(base, batch, work)  # what it leaves in the cache is where the item starts from
            after = engine.output(sheet, batch, work, remember=False)
            errors.append(squared_changes(before, after))
            floats.append(predictions(subject.task, before, labels))
            said.append(predictions(subject.task, after, labels))
        joined = Predictions.join(floats)
        metric = compare(joined, Predictions.join(said), subject.task)
        return np.concatenate([[metric.quantized, _weight(metric, joined)], *errors])

    def _sheet(self, recipe: Recipe, work: Work) -> Sheet:
        return self._session.preparer.sheet(recipe, work)


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


def _weight(metric: Metric, reference: Predictions) -> float:
    if reference.values is None:
        return float(metric.predictions)
    values = np.where(np.isfinite(reference.values), reference.values, 0.0).astype(np.float64)
    return float(np.square(values).sum())
