"""How the error grows on its way through a network."""

from __future__ import annotations

import itertools

from qdebug.results.base import Result

BURST_DB = 6.0
"""A layer behind which the error's power is at least four times what it was before it stands out."""


class CourseRow(Result, frozen=True, kw_only=True):
    """A layer on the way.

    Attributes:
        name: of the layer.
        alone_db: SQNR of its output with this layer alone quantized; None where there is no error.
        all_db: with everything before it quantized too.
    """

    name: str
    alone_db: float | None
    all_db: float | None


class ErrorCourse(Result, frozen=True, kw_only=True):
    """All layers, in graph order, under one recipe.

    Attributes:
        recipe: its digest.
        rows: the layers.
        n: samples that outputs were compared on.
    """

    recipe: str
    rows: tuple[CourseRow, ...]
    n: int

    @property
    def burst(self) -> tuple[CourseRow, float] | None:
        """The layer at which the SQNR falls most from the layer before it in the graph's order, and by how many dB.

        None where it falls by less than :data:`BURST_DB` everywhere.
        """
        falls = [
            (before.all_db - after.all_db, after)
            for before, after in itertools.pairwise(self.rows)
            if before.all_db is not None and after.all_db is not None
        ]
        most, row = max(falls, key=lambda one: one[0], default=(0.0, None))
        return (row, most) if row is not None and most >= BURST_DB else None
