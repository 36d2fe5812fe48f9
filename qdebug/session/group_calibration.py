"""What it does to a recipe which groups of the calibration data it is calibrated on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.calibrate.allotting import skewed, uniform
from qdebug.engine import Sheet, Work
from qdebug.errors import UsageError, near
from qdebug.measure import Partition, Predictions
from qdebug.measure.compare import value
from qdebug.measure.subgroups import part
from qdebug.recipes import Recipe
from qdebug.results import CalibrationWay, GroupCalibration
from qdebug.session.calibration import Quiet
from qdebug.session.groups import Groups, groups_of
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.subject import Subject

DRAWS = 3
Chosen = tuple[tuple[str, int], ...]
"""Groups, and how many samples of each."""


class GroupCalibrationMeter:
    """Calibrates recipes anew on chosen groups of the calibration data."""

    def __init__(self, subject: Subject, preparer: Preparer, scorer: Scorer) -> None:
        self._subject, self._preparer, self._scorer = subject, preparer, scorer
        self._known: Memo[GroupCalibration] = Memo(64)

    def of(self, recipe: Recipe, chosen: Mapping[str, int], seed: int, work: Work) -> GroupCalibration:
        """The comparison for a recipe.

        Args:
            recipe: the recipe. Fixes that look at calibration data look at the chosen samples.
            chosen: samples of each group for a way of one's own; none where it is empty.
            seed: of the draws.
            work: progress and cancel.

        Raises:
            UsageError: ``chosen`` names a group that is not there, or more samples than one has.
        """
        key = (recipe.digest, tuple(sorted(chosen.items())), seed)
        return self._known.get(key, lambda: self._measure(recipe, chosen, seed, work))

    def _measure(self, recipe: Recipe, chosen: Mapping[str, int], seed: int, work: Work) -> GroupCalibration:
        start = time.perf_counter()
        groups, why = groups_of(self._subject.calib)
        evaluated, other = groups_of(self._subject.data)
        if groups is None or evaluated is None:
            if chosen:
                raise UsageError(why or other, do="Samples can be chosen by group where both data name groups.")
            said = f"Of the {'evaluation' if groups else 'calibration'} data: {other if groups else why}"
            return self._nothing(recipe, said)
        batches = self._subject.eval_batches
        partition = Partition(evaluated.key, evaluated.names, evaluated.of)
        before = self._scorer.predictions(self._preparer.float_sheet, batches, work)
        plans = [*ways(groups), *_own(groups, chosen)]
        runs = sum(_draws(counts, groups) for _, counts in plans)
        found: list[CalibrationWay] = []
        done = 0
        for name, counts in plans:
            numbers: list[list[float]] = []
            for draw in range(_draws(counts, groups)):
                work.step(done, runs, f"calibrating on {name} of {len(groups.names)} groups")
                sheet = self._calibrated(recipe, _picked(groups, counts, (seed, draw)), work)
                after = self._scorer.predict(sheet, batches, Quiet(work), remember=False)
                numbers.append(_metrics(before, after, partition, self._subject.meter.task))
                done += 1
            found.append(_way(name, counts, numbers))
        first = _metrics(before, before, partition, self._subject.meter.task)
        metric = self._scorer.score(recipe, Quiet(work)).metric
        return GroupCalibration(
            recipe=recipe.digest, metric=metric.name, higher_is_better=metric.higher_is_better,
            float_value=first[0], key=evaluated.key, groups=groups.names, evaluated=evaluated.names,
            float_by_group=tuple(first[1:]), ways=tuple(found), draws=DRAWS, seconds=time.perf_counter() - start,
        )  # fmt: skip

    def _calibrated(self, recipe: Recipe, rows: NDArray[np.int64], work: Work) -> Sheet:
        """The recipe worked out on some of the calibration samples, as if there were no others."""
        subset = dataclasses.replace(self._subject, calib=self._subject.calib.take(rows))
        return Preparer(subset).sheet(recipe, Quiet(work))

    @staticmethod
    def _nothing(recipe: Recipe, why: str) -> GroupCalibration:
        return GroupCalibration(
            recipe=recipe.digest, metric="", higher_is_better=True, float_value=0.0, key="group", groups=(),
            evaluated=(), float_by_group=(), ways=(), draws=0, left_out=why, seconds=0.0,
        )  # fmt: skip


def ways(groups: Groups) -> list[tuple[str, tuple[int, ...]]]:
    """What is compared: all samples; and as many as the smallest group has, from all groups evenly, skewed, from one.

    Skewed choices are made where the data name groups by numbers, such as timesteps. Classes have no order.
    """
    sizes = groups.sizes
    each = min(sizes)
    found = [("all", sizes), ("uniform", uniform(each, sizes))]
    places = numbers_of(groups.names) if groups.key == "group" else None
    if places is not None:
        found.append(("skewed", skewed(each, sizes, places)))
    for place, name in enumerate(groups.names):
        found.append((f"only {name}", tuple(each if at == place else 0 for at in range(len(sizes)))))
    return found


def numbers_of(names: Sequence[str]) -> tuple[float, ...] | None:
    """The groups' names as numbers; None where one is none."""
    try:
        return tuple(float(name) for name in names)
    except ValueError:
        return None


def _own(groups: Groups, chosen: Mapping[str, int]) -> list[tuple[str, tuple[int, ...]]]:
    for name, count in chosen.items():
        if name not in groups.names:
            raise UsageError(f"The calibration data have no group '{name}'", do=near(name, groups.names))
        size = groups.sizes[groups.names.index(name)]
        if not 0 <= count <= size:
            raise UsageError(f"{count} samples of group '{name}'", do=f"It has {size}: ask for 0 to {size}.")
    counts = tuple(chosen.get(name, 0) for name in groups.names)
    if chosen and not sum(counts):
        raise UsageError("No calibration sample is chosen", do="Ask for 1 or more of a group.")
    return [("chosen", counts)] if chosen else []


def _draws(counts: Sequence[int], groups: Groups) -> int:
    """One where there is no choice, since every group is taken whole or not at all."""
    return 1 if all(count in (0, size) for count, size in zip(counts, groups.sizes, strict=True)) else DRAWS


def _picked(groups: Groups, counts: Sequence[int], seed: tuple[int, int]) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    rows = [random.permutation(groups.members(place))[:count] for place, count in enumerate(counts)]
    return np.sort(np.concatenate(rows))


def _metrics(before: Predictions, after: Predictions, partition: Partition, task: str) -> list[float]:
    """The metric of all data, then of each group."""
    parts = [
        value(part(before, partition, place), part(after, partition, place), task)
        for place in range(len(partition.names))
    ]
    return [value(before, after, task), *parts]


def _way(name: str, counts: tuple[int, ...], numbers: Sequence[Sequence[float]]) -> CalibrationWay:
    whole = [one[0] for one in numbers]
    mean = np.mean(numbers, axis=0)
    return CalibrationWay(
        name=name, counts=counts, metric=float(mean[0]), low=min(whole), high=max(whole),
        by_group=tuple(float(one) for one in mean[1:]),
    )  # fmt: skip
