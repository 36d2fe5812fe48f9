"""How far the layers' inputs reach in each group of the data: one float pass."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from torch import Tensor

from qdebug.calibrate import ActivationStats, Observer
from qdebug.engine import Batch, Sheet, Work
from qdebug.recipes import Recipe
from qdebug.results import GroupedTensor, GroupRange, GroupRanges
from qdebug.session.groups import Groups, groups_of
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer, observe
from qdebug.session.sites import Site, sites
from qdebug.session.subject import Subject

TAIL = 0.001
"""Share of the values on each side that the inner range leaves out."""


class GroupRangeMeter:
    """Watches each layer's input in the float model, group by group."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer
        self._known: Memo[GroupRanges] = Memo(64)

    def of(self, recipe: Recipe, work: Work) -> GroupRanges:
        """The answer for a recipe: its fixes, and the ranges that it calibrates."""
        return self._known.get(recipe.digest, lambda: self._measure(recipe, work))

    def _measure(self, recipe: Recipe, work: Work) -> GroupRanges:
        start = time.perf_counter()
        groups, why = groups_of(self._subject.data)
        if groups is None:
            return GroupRanges(recipe=recipe.digest, key="group", groups=(), samples=(), tensors=(), left_out=why,
                               seconds=0.0)  # fmt: skip
        calibrated = {site.index: site for site in sites(self._subject, self._preparer.sheet(recipe, work))}
        sheet = self._preparer.float_with_fixes(recipe, work)
        readers: dict[int, tuple[str, int]] = {}
        for layer in self._subject.layers:
            if layer.kind != "embedding":
                readers.setdefault(layer.x, (layer.name, layer.channel_axis))
        axes = {x: axis for x, (_, axis) in readers.items()}
        seen = [self._pass(groups, place, sheet, axes, calibrated, work) for place in range(len(groups.names))]
        tensors = tuple(_tensor(name, [one[x] for one in seen], calibrated.get(x)) for x, (name, _) in readers.items())
        return GroupRanges(
            recipe=recipe.digest, key=groups.key, groups=groups.names, samples=groups.sizes, tensors=tensors,
            seconds=time.perf_counter() - start,
        )  # fmt: skip

    def _pass(
        self, groups: Groups, place: int, sheet: Sheet, axes: Mapping[int, int], calibrated: Mapping[int, Site],
        work: Work,
    ) -> dict[int, _Watcher]:  # fmt: skip
        work.step(place, len(groups.names), f"ranges of {groups.key} {groups.names[place]}")
        watchers = {x: _Watcher(axis, calibrated.get(x)) for x, axis in axes.items()}
        for batch in self._batches(groups, place):
            observe(self._subject, sheet, batch, watchers, work)
        return watchers

    def _batches(self, groups: Groups, place: int) -> tuple[Batch, ...]:
        return self._subject.batches(self._subject.data.take(groups.members(place)))


class _Watcher(Observer):
    """An observer that counts what leaves a calibrated range too."""

    def __init__(self, axis: int, site: Site | None) -> None:
        super().__init__(axis)
        self._site, self._outside = site, 0

    def update(self, x: Tensor) -> None:
        super().update(x)
        if self._site is not None:
            self._outside += int(((x < self._site.least) | (x > self._site.most)).sum())

    def range(self) -> GroupRange:
        """What was seen."""
        stats: ActivationStats = self.stats()
        outside = None if self._site is None else self._outside / max(stats.count, 1)
        return GroupRange(
            low=stats.low, high=stats.high, inner_low=stats.quantile(TAIL), inner_high=stats.quantile(1 - TAIL),
            std=stats.std, outside=outside,
        )  # fmt: skip


def _tensor(name: str, seen: Sequence[_Watcher], site: Site | None) -> GroupedTensor:
    return GroupedTensor(
        name=name, groups=tuple(one.range() for one in seen), clip_min=site.low if site else None,
        clip_max=site.high if site else None,
    )  # fmt: skip
