"""What is asked about groups of the data, and about the images that a diffusion model draws. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from qdebug.jobs.verb import Lane, Verb
from qdebug.recipes import Recipe
from qdebug.results import GroupCalibration, GroupRanges, ModelRef, Sampling


class GetGroupRanges(Verb[GroupRanges], frozen=True, tag=True):
    """How far the layers' inputs reach in each group: one float pass."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetGroupCalibration(Verb[GroupCalibration], frozen=True, tag=True):
    """The recipe calibrated on all groups, on each alone, and on samples of one's own: an evaluation for each."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    take: tuple[tuple[str, int], ...] = ()


class GetSampling(Verb[Sampling], frozen=True, tag=True):
    """Images of the float and the quantized network: three small passes a step."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    images: int
    steps: int
    eta: float
    seed: int
