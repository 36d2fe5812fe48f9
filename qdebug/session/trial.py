"""A fix tried on a recipe: the model and every layer without it and with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qdebug.engine import Work
from qdebug.recipes import Recipe
from qdebug.recipes.fixes import written
from qdebug.results import FixTrial, LayerTable, Losses, TriedLayer
from qdebug.session.outlook import Outlook
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.tables import Tables


class Trials:
    """Tries fixes. What slow ones find is kept as always: a second trial, or keeping the fix, costs an evaluation."""

    def __init__(self, preparer: Preparer, scorer: Scorer, tables: Tables, outlook: Outlook) -> None:
        self._preparer, self._scorer, self._tables, self._outlook = preparer, scorer, tables, outlook

    def trial(self, before: Recipe, after: Recipe, work: Work) -> FixTrial:
        """The recipe before against the recipe after; shows what is known so far as it goes.

        Args:
            before: the recipe without the fix.
            after: the recipe with it.
            work: progress, partial answers and cancel.

        Raises:
            Cancelled: somebody asked for a stop. Neither recipe is touched by that, and what was found is kept.
        """
        start = time.perf_counter()
        first = self._scorer.score(before, work)
        course: list[float] = []
        losses: list[Losses] = []

        def so_far(**more: Any) -> FixTrial:
            return FixTrial(
                before=first, course=tuple(course), losses=tuple(losses), seconds=time.perf_counter() - start, **more
            )

        def watched(found: float | Losses) -> None:
            if isinstance(found, Losses):
                losses.append(found)
            else:
                course.append(found)
            work.part(so_far())

        work.part(FixTrial(before=first))
        inner, begun = _Watched(work, watched), time.perf_counter()
        done = self._preparer.worked_out(after, inner)
        ended = ""
        if done != after:
            ended = next(written(fix) for fix in done.fixes if fix not in after.fixes)
        wanted, after = after, done
        second = self._scorer.score(after, work)
        work.part(so_far(after=second))
        tables = [self._tables.table(recipe, work) for recipe in (before, after)]
        if after == wanted:
            self._learn(before, after, time.perf_counter() - begun, found_anew=bool(course))
        return so_far(after=second, layers=_layers(*tables), ended=ended)

    def _learn(self, before: Recipe, after: Recipe, seconds: float, *, found_anew: bool) -> None:
        added = [fix for fix in after.fixes if fix not in before.fixes]
        if found_anew and len(added) == 1:
            self._outlook.learn(before, added[0], seconds)


def _layers(before: LayerTable, after: LayerTable) -> tuple[TriedLayer, ...]:
    return tuple(
        TriedLayer(name=one.name, before_db=one.output.sqnr_db, after_db=two.output.sqnr_db)
        for one, two in zip(before.rows, after.rows, strict=True)
        if not (one.output.sqnr_db is None and two.output.sqnr_db is None)
    )


class _Watched(Work):
    """The same work, whose errors somebody wants to see."""

    def __init__(self, outer: Work, told: Callable[[float | Losses], None]) -> None:
        super().__init__()
        self._outer, self._told = outer, told

    def check(self) -> None:
        self._outer.check()

    @property
    def is_enough(self) -> bool:
        return self._outer.is_enough

    @property
    def can_finish(self) -> bool:
        return self._outer.can_finish

    @contextmanager
    def takes_less(self) -> Iterator[None]:
        with self._outer.takes_less():
            yield

    @contextmanager
    def ends_when_enough(self) -> Iterator[None]:
        with self._outer.ends_when_enough():
            yield

    def step(self, done: int, total: int, text: str) -> None:
        self._outer.step(done, total, text)

    def losses(self, value: Losses) -> None:
        self.check()
        self._told(value)

    def error(self, value: Callable[[], float]) -> None:
        self.check()
        self._told(value())
