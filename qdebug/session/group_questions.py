"""What a session is asked about groups of its data, and about the images that a diffusion model draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from qdebug.engine import Work
from qdebug.recipes import Recipe
from qdebug.results import GroupCalibration, GroupRanges, Sampling
from qdebug.session.group_calibration import GroupCalibrationMeter
from qdebug.session.group_ranges import GroupRangeMeter
from qdebug.session.sampling import Sampler


class GroupQuestions(ABC):
    """The part of a session that takes its data group by group, such as timestep by timestep."""

    _group_ranges: GroupRangeMeter
    _group_calibration: GroupCalibrationMeter
    _sampler: Sampler

    @abstractmethod
    def _checked(self, recipe: Recipe | str) -> Recipe:
        """The recipe, which fits the model.

        Raises:
            RecipeError: it does not.
        """

    def group_ranges(self, recipe: Recipe | str, work: Work | None = None) -> GroupRanges:
        """How far each layer's input reaches in each group (else class) of the evaluation data. One float pass."""
        return self._group_ranges.of(self._checked(recipe), work or Work())

    def group_calibration(
        self, recipe: Recipe | str, *, take: Mapping[str, int] | None = None, seed: int = 0, work: Work | None = None
    ) -> GroupCalibration:
        """The metric of a recipe calibrated on all groups of the calibration data, on one, and on others.

        Args:
            recipe: the recipe, or a preset's name.
            take: samples of each group, for a choice of one's own beside those.
            seed: of the draws.
            work: progress and cancel.

        Raises:
            UsageError: ``take`` names a group that is not there, or more samples than one has.
        """
        return self._group_calibration.of(self._checked(recipe), take or {}, seed, work or Work())

    def sample(
        self, recipe: Recipe | str, *, images: int = 16, steps: int = 25, eta: float = 0.0, seed: int = 0,
        work: Work | None = None,
    ) -> Sampling:  # fmt: skip
        """Images drawn by a diffusion model in float and under a recipe, from the same noise.

        Args:
            recipe: the recipe, or a preset's name.
            images: how many, at most 64.
            steps: how many timesteps the walk stops at.
            eta: 0 for DDIM (Song et al. 2021, arXiv 2010.02502), 1 for DDPM (Ho et al. 2020, arXiv 2006.11239).
            seed: of the noise.
            work: progress and cancel.

        Raises:
            UsageError: the model has no sampler, or a number makes no sense.
        """
        return self._sampler.sample(self._checked(recipe), images, steps, eta, seed, work or Work())
