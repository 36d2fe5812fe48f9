"""What a session is asked about values in formats, apart from what a recipe does to the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from qdebug.engine import Work
from qdebug.recipes import Recipe
from qdebug.results import ClipCurve, Convergence, FormatComparison, InputCosines, TensorView, Values
from qdebug.session.contest import Contests
from qdebug.session.settling import Settling


class FormatQuestions(ABC):
    """The part of a session that looks at a layer's values, or at a distribution, in one format or in many."""

    _contests: Contests
    _settling: Settling

    @abstractmethod
    def _checked(self, recipe: Recipe | str) -> Recipe:
        """The recipe, which fits the model.

        Raises:
            RecipeError: it does not.
        """

    def compare_formats(
        self, values: Values, recipe: Recipe | None = None, work: Work | None = None, *,
        notations: Sequence[str] = (),
    ) -> FormatComparison:  # fmt: skip
        """Every format worth comparing on a layer's weight or input, or on a distribution.

        Args:
            values: which values.
            recipe: its fixes are applied to the float model first.
            work: progress and cancel.
            notations: compare only these, as the command line writes them.

        Raises:
            RecipeError: there is no such layer, distribution or format.
        """
        return self._contests.comparison(self._checked(recipe or Recipe()), values, work or Work(), notations)

    def view_format(
        self, values: Values, notation: str, recipe: Recipe | None = None, work: Work | None = None, *,
        clip: tuple[float, float] | None = None,
    ) -> TensorView:  # fmt: skip
        """One format, in the notation of the command line, on such values; with a clip range where one is given."""
        return self._contests.view(self._checked(recipe or Recipe()), values, notation, work or Work(), clip)

    def clip_curve(
        self, layer: str, notation: str, recipe: Recipe | None = None, work: Work | None = None
    ) -> ClipCurve:
        """The error of a layer's weight at one symmetric clip limit after another, in a format with one scale.

        Raises:
            RecipeError: there is no such layer, or the format is not of integers with one scale.
        """
        return self._contests.clip_curve(self._checked(recipe or Recipe()), layer, notation, work or Work())

    def input_cosines(self, layer: str, recipe: Recipe | None = None, work: Work | None = None) -> InputCosines:
        """How far the channels of a layer's input go together, on the first evaluation samples.

        Raises:
            RecipeError: there is no such layer, or its input is an index.
        """
        return self._contests.input_cosines(self._checked(recipe or Recipe()), layer, work or Work())

    def range_convergence(self, recipe: Recipe | str, layer: str, work: Work | None = None) -> Convergence:
        """The clip range that each range method would choose for a layer's input after 1, 2, 4 … calibration samples.

        Raises:
            RecipeError: there is no such layer, or it has no input to quantize.
        """
        return self._settling.of(self._checked(recipe), layer, work or Work())
