"""What a sweep knows so far of each item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.results.sensitivity import Measure
from qdebug.search.sweep.bench import Answer, Task, joined_metric
from qdebug.search.sweep.foretold import Foretold
from qdebug.search.sweep.items import Item
from qdebug.search.sweep.samples import Samples


class Book:
    """The answers of each item, part by part.

    Args:
        items: what is measured.
        samples: the data's parts.
        metric: the task metric's name.
        measure: what is measured of each sample.
        foretold: what is predicted of each sample; None where nothing is.
    """

    def __init__(
        self, items: Sequence[Item], samples: Samples, metric: str, measure: Measure = "squared",
        foretold: Foretold | None = None,
    ) -> None:  # fmt: skip
        self.items, self._samples, self._metric, self._foretold = tuple(items), samples, metric, foretold
        self._measure: Measure = measure
        self._answers: list[list[Answer]] = [[] for _ in items]

    def task(self, place: int, part: int | None = None) -> Task:
        """An item on one part of the data; on its next one if not said."""
        item, (first, last) = self.items[place], self._samples.parts[self.parts(place) if part is None else part]
        return Task(place, item.recipe, item.base, first, last, self._measure, self._sums(item))

    def note(self, answer: Answer) -> None:
        """Put an item's next part down."""
        self._answers[answer.number].append(answer)

    def parts(self, place: int) -> int:
        """Parts of the data that an item has been measured on."""
        return len(self._answers[place])

    def whole(self, place: int) -> bool:
        """Whether an item has been measured on all data."""
        return self.parts(place) == len(self._samples.parts)

    def errors(self, place: int) -> NDArray[np.float64]:
        """The error of each sample seen so far."""
        parts = zip(self._answers[place], self._samples.counts, strict=False)
        return np.concatenate([np.zeros(0), *(answer.values[2 : 2 + count] for answer, count in parts)])

    def change(self, place: int) -> NDArray[np.float64]:
        """What stands for the change of outputs of the samples seen so far, in one vector; empty where nothing does."""
        parts = zip(self._answers[place], self._samples.counts, strict=False)
        return np.concatenate([np.zeros(0), *(answer.values[2 + count :] for answer, count in parts)])

    def predicted(self, place: int) -> NDArray[np.float64] | None:
        """The predicted error of each of all samples, those seen first; None where nothing is predicted."""
        item = self.items[place]
        return self._foretold.of(item.layer, item.format) if self._foretold and item.kind == "alone" else None

    def metric(self, place: int) -> float:
        """The metric on the samples seen so far."""
        parts = [(float(answer.values[0]), float(answer.values[1])) for answer in self._answers[place]]
        return joined_metric(self._metric, parts)

    def last_seconds(self, place: int) -> float:
        """What the last part took to measure."""
        return self._answers[place][-1].seconds

    def _sums(self, item: Item) -> int:
        """Mixtures are predicted from the squared errors of layers alone, and from no others."""
        return self._samples.sums if item.kind == "alone" and self._measure == "squared" else 0
