"""Two recipes side by side on one subject."""

from __future__ import annotations

import time

from qdebug.engine import Sheet, Work
from qdebug.graph import Layer
from qdebug.measure import Predictions, versus, versus_groups
from qdebug.recipes import Recipe
from qdebug.results import ComparedSide, Comparison, Flips
from qdebug.results.comparison import Direction
from qdebug.session.differing import between_layers, layer_differences
from qdebug.session.flips import Flipped, Side, find_flips, page, reference_of, unit_of
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.scoring import Scorer
from qdebug.session.subgroups import partitions
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables


class Comparer:
    """Holds recipes against each other. Scores, predictions and layers' errors are those that others asked for too."""

    def __init__(self, subject: Subject, preparer: Preparer, scorer: Scorer, tables: Tables) -> None:
        self._subject, self._preparer, self._scorer, self._tables = subject, preparer, scorer, tables
        self._known: Memo[Comparison] = Memo(64)
        self._flipped: Memo[Flipped] = Memo(16)

    def compare(self, a: Recipe, b: Recipe, work: Work) -> Comparison:
        """B against A."""
        return self._known.get((a.digest, b.digest), lambda: self._compare(a, b, work))

    def flips(self, a: Recipe, b: Recipe, direction: Direction | None, start: int, most: int, work: Work) -> Flips:
        """A page of the answers that changed."""
        return self._page(self._sheets(a, b, work), direction, start, most, work)

    def layer_flips(
        self, recipe: Recipe, layer: Layer, direction: Direction | None, start: int, most: int, work: Work
    ) -> Flips:
        """A page of the answers that change from float (A) when a layer alone is as the recipe has it (B)."""
        _, alone = self._tables.pair(recipe, layer, work)
        return self._page((self._preparer.float_sheet, alone), direction, start, most, work)

    def _compare(self, a: Recipe, b: Recipe, work: Work) -> Comparison:
        began = time.perf_counter()
        info, task = self._subject.info, self._subject.meter.task
        scores = [self._scorer.score(recipe, work) for recipe in (a, b)]
        base, one, two = self._predictions(self._sheets(a, b, work), work)
        parts, left_out = partitions(self._subject, base)
        layers = layer_differences(self._preparer, self._tables, a, b, work)
        sides = [
            ComparedSide(name="", recipe=recipe.digest, metric=score.metric, size=score.size)
            for recipe, score in zip((a, b), scores, strict=True)
        ]
        return Comparison(
            model=info.name, digest=info.digest, a=sides[0], b=sides[1], difference=versus(base, one, two, task),
            reference=reference_of(base), unit=unit_of(base), layers=layers,
            alike=len(self._subject.layers) - len(layers), between=between_layers(a, b),
            groups=versus_groups(base, one, two, task, parts), left_out=left_out, n=info.n_eval,
            seconds=time.perf_counter() - began,
        )  # fmt: skip

    def _page(
        self, sheets: tuple[Sheet, Sheet], direction: Direction | None, start: int, most: int, work: Work
    ) -> Flips:
        three = self._predictions(sheets, work)
        output = self._subject.program.output
        key = sheets[0].keys[output], sheets[1].keys[output]
        found = self._flipped.get(key, lambda: find_flips(self._sides(sheets), three, work))
        return page(self._subject, found, three[0], direction, start, most)

    def _sheets(self, a: Recipe, b: Recipe, work: Work) -> tuple[Sheet, Sheet]:
        return self._preparer.sheet(a, work), self._preparer.sheet(b, work)

    def _sides(self, sheets: tuple[Sheet, Sheet]) -> tuple[Side, Side]:
        return (self._subject, sheets[0]), (self._subject, sheets[1])

    def _predictions(self, sheets: tuple[Sheet, Sheet], work: Work) -> tuple[Predictions, Predictions, Predictions]:
        """Of the float model, of A and of B."""
        base, one, two = (
            self._scorer.predictions(sheet, self._subject.eval_batches, work)
            for sheet in (self._preparer.float_sheet, *sheets)
        )
        return base, one, two
