"""Which calibration samples set the ranges, and how far evaluation data leave them: a pass over each."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from qdebug.calibrate import Extremes
from qdebug.calibrate.extremes import Farthest
from qdebug.doors import Dataset
from qdebug.engine import Batch, Sheet, Work
from qdebug.recipes import Recipe
from qdebug.results import Coverage, Extreme, RangeSetters, SettingSample
from qdebug.session.memo import Memo
from qdebug.session.pictures import picture
from qdebug.session.prepare import Preparer
from qdebug.session.sites import Site, sites
from qdebug.session.subject import Subject

MOST = 12
"""Samples that are told of one by one."""

Seen = Mapping[int, tuple[Extremes, ...]]
"""By step, one for each site of it."""


class SetterMeter:
    """Watches the float values that ranges are made from."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer
        self._known: Memo[RangeSetters] = Memo(128)

    def of(self, recipe: Recipe, work: Work) -> RangeSetters:
        """The answer for a recipe: its ranges, and the float model with its fixes."""
        return self._known.get(recipe.digest, lambda: self._measure(recipe, work))

    def _measure(self, recipe: Recipe, work: Work) -> RangeSetters:
        start = time.perf_counter()
        subject = self._subject
        found = sites(subject, self._preparer.sheet(recipe, work))
        sheet = self._preparer.float_with_fixes(recipe, work)
        calib = self._pass(found, sheet, subject.calib_batches, "calibration data", work)
        evaluated = self._pass(found, sheet, subject.eval_batches, "evaluation data", work)
        rows = tuple(
            coverage(site, seen, new, same=site.index in subject.alike)
            for site, seen, new in zip(found, calib, evaluated, strict=True)
        )
        samples, setters, limits = setting_samples(rows, subject.calib)
        return RangeSetters(
            recipe=recipe.digest, tensors=rows, samples=samples, setters=setters, limits=limits,
            n_calib=len(subject.calib), n_eval=len(subject.data), seconds=time.perf_counter() - start,
        )  # fmt: skip

    def _pass(
        self, found: Sequence[Site], sheet: Sheet, batches: Sequence[Batch], what: str, work: Work
    ) -> list[Extremes]:
        seen = [Extremes(site.least, site.most) for site in found]
        by_step: dict[int, list[Extremes]] = {}
        for site, extremes in zip(found, seen, strict=True):
            by_step.setdefault(site.index, []).append(extremes)
        first = 0
        for done, batch in enumerate(batches if found else ()):
            work.step(done, len(batches), f"ranges of the {what}")
            show = _shown(by_step, batch, first)
            self._subject.engine.visit(sheet, batch, by_step, show, work, remember=False)
            first += batch.count
        return seen


def _shown(by_step: Mapping[int, Sequence[Extremes]], batch: Batch, first: int) -> Callable[[int, Tensor], None]:
    """Shows a batch's values sample by sample: several rows of one sample stay together."""

    def show(index: int, value: Tensor) -> None:
        rows = batch.real_rows(value)
        whole = len(rows) % batch.count if rows.dim() else 1
        samples = rows.reshape(1, -1) if whole else rows.reshape(batch.count, -1)
        for extremes in by_step[index]:
            extremes.update(samples, first)

    return show


def coverage(site: Site, seen: Extremes, new: Extremes, *, same: bool) -> Coverage:
    """One tensor's row.

    Args:
        site: the tensor and its range.
        seen: what calibration data do.
        new: what evaluation data do.
        same: whether the tensor is the same for every sample, so that none of them sets anything.
    """
    low = _end(seen.lowest, -1.0, same=same)
    high = _end(seen.highest, 1.0, same=same)
    width = site.high - site.low
    beyond = max((site.low + new.lowest.value, new.lowest.sample), (new.highest.value - site.high, new.highest.sample),
                 key=lambda pair: pair[0])  # fmt: skip
    leaves = new.outside > 0 and width > 0
    return Coverage(
        name=site.name, between=site.between, clip_min=site.low, clip_max=site.high, low=low, high=high,
        narrower=max((_narrower(low, high, sample) for sample in _setters(low, high)), default=0.0),
        outside_calibration=seen.share_outside, outside=new.share_outside, reach=beyond[0] / width if leaves else 0.0,
        farthest=beyond[1] if leaves and not same else None,
    )  # fmt: skip


def _end(farthest: Farthest, sign: float, *, same: bool) -> Extreme | None:
    """One end of what was seen; None where zero lies farther out."""
    if not farthest.value > 0 or math.isinf(farthest.value):
        return None
    other = farthest.runner_up if math.isfinite(farthest.runner_up) else 0.0
    alone = farthest.is_alone and not same
    return Extreme(
        value=sign * farthest.value, sample=farthest.sample if alone else None, runner_up=sign * max(other, 0.0)
    )


def _setters(low: Extreme | None, high: Extreme | None) -> set[int]:
    return {end.sample for end in (low, high) if end is not None and end.sample is not None}


def _narrower(low: Extreme | None, high: Extreme | None, sample: int) -> float:
    """How much of the observed range goes with a sample."""
    ends = [end for end in (low, high) if end is not None]
    before = sum(abs(end.value) for end in ends)
    after = sum(abs(end.runner_up if end.sample == sample else end.value) for end in ends)
    return 1.0 - after / before if before else 0.0


def setting_samples(rows: Sequence[Coverage], data: Dataset) -> tuple[tuple[SettingSample, ...], int, int]:
    """The samples that set most ends, how many set any, and how many ends single samples set."""
    limits = Counter(end.sample for row in rows for end in (row.low, row.high) if end and end.sample is not None)
    best: dict[int, tuple[float, str]] = {}
    tensors: dict[int, list[str]] = {}
    for row in rows:
        for sample in _setters(row.low, row.high):
            tensors.setdefault(sample, []).append(row.name)
            best[sample] = max(best.get(sample, (-1.0, "")), (_narrower(row.low, row.high, sample), row.name),
                               key=lambda pair: pair[0])  # fmt: skip
    order = sorted(limits, key=lambda sample: (-limits[sample], -best[sample][0], sample))
    return (
        tuple(
            SettingSample(
                sample=sample, label=_label(data, sample), limits=limits[sample], tensors=tuple(tensors[sample]),
                narrower=best[sample][0], narrowest=best[sample][1], picture=picture(data, sample),
            )
            for sample in order[:MOST]
        ),
        len(limits),
        limits.total(),
    )  # fmt: skip


def _label(data: Dataset, sample: int) -> str:
    labels = data.labels
    return (
        str(int(labels[sample])) if labels is not None and labels.dim() == 1 and not labels.is_floating_point() else ""
    )
