"""What is predicted of each sample's error, in the order in which a sweep looks at the samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qdebug.recipes import LayerPlan
from qdebug.search.predict.predicted import error
from qdebug.search.predict.projections import Projections


class Foretold:
    """The predicted error of each sample, by layer and format.

    Args:
        found: the projections of all samples, in the data's own order.
        formats: name and plan of each format.
        order: the place in the data of each sample, as the sweep looks at them.
    """

    def __init__(self, found: Projections, formats: Sequence[tuple[str, LayerPlan]], order: NDArray[np.int64]) -> None:
        self._found, self._formats, self._order = found, dict(formats), order

    def of(self, layer: str, format_: str) -> NDArray[np.float64] | None:
        """``[samples]``; None where nothing is predicted, or no number, or no error at all."""
        if layer not in self._found.places or self._found.samples != len(self._order):
            return None
        plan = self._formats[format_]
        errors = error(self._found, self._found.of(layer, plan.weight, plan.activation))
        return errors[self._order] if np.isfinite(errors).all() and errors.any() else None
