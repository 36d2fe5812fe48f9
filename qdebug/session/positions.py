"""Where along the sequence a layer's error lies, for models that read sequences of tokens."""

from __future__ import annotations

import numpy as np

from qdebug.engine import Sheet, Work
from qdebug.errors import RecipeError
from qdebug.graph import Layer
from qdebug.measure.positions import PositionAccumulator, by_position, position_side
from qdebug.recipes import Recipe
from qdebug.results import PositionErrors
from qdebug.session.memo import Memo
from qdebug.session.prepare import Preparer
from qdebug.session.sequences import lies_along, present, sequence_length
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables


class PositionMeter:
    """Measures layers' outputs position by position, remembering each by content."""

    def __init__(self, subject: Subject, preparer: Preparer, tables: Tables) -> None:
        self._subject, self._preparer, self._tables = subject, preparer, tables
        self._known: Memo[PositionErrors] = Memo(256)

    def of(self, recipe: Recipe, layer: Layer, work: Work) -> PositionErrors:
        """The layer alone quantized, and with everything before it.

        Raises:
            RecipeError: its output has no axis of tokens.
        """
        length, shape = sequence_length(self._subject.data), self._subject.shapes.get(layer.step)
        if layer.step in self._subject.alike or not lies_along(layer, shape, self._subject.traced, length):
            raise RecipeError("Its output has no positions of a sequence", layer=layer.name, do="Choose another layer.")
        reference, alone = self._tables.pair(recipe, layer, work)
        whole = self._preparer.sheet(recipe, work)
        key = (reference.keys[layer.step], alone.keys[layer.step], whole.keys[layer.step], recipe.digest)
        return self._known.get(key, lambda: self._measure(recipe, layer, (reference, alone, whole), length, work))

    def _measure(
        self, recipe: Recipe, layer: Layer, sheets: tuple[Sheet, Sheet, Sheet], length: int, work: Work
    ) -> PositionErrors:
        sides = PositionAccumulator(), PositionAccumulator()
        batches = self._tables.batches
        for done, batch in enumerate(batches):
            work.step(done, len(batches), f"following {layer.name} along the sequence")
            reference, *others = (
                by_position(batch.real_rows(value[layer.step]), length, layer.channel_axis)
                for value in (self._subject.engine.values(sheet, batch, (layer.step,), work) for sheet in sheets)
            )
            for side, value in zip(sides, others, strict=True):
                side.add(reference, value)
        n = sum(batch.count for batch in batches)
        here = present(self._subject.data)[:n]
        places = np.flatnonzero(here.any(0))
        counts = here.sum(0)[places]
        power = np.where(here, sides[0].power, 0.0).sum(0)[places] / counts
        alone, whole = (position_side(side.power, side.error, here) for side in sides)
        return PositionErrors(
            layer=layer.name, recipe=recipe.digest, positions=tuple(places.tolist()), counts=tuple(counts.tolist()),
            power=tuple(power.tolist()), alone=alone, whole=whole, n=n,
        )  # fmt: skip
