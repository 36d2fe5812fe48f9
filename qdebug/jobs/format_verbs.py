"""What is asked about formats and ranges. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from qdebug.jobs.verb import Lane, Verb
from qdebug.recipes import Recipe
from qdebug.results import (
    CalibrationCurve,
    ChannelRanges,
    ClipCurve,
    Convergence,
    FormatComparison,
    InputCosines,
    InputRanges,
    ModelRef,
    RangeSetters,
    TensorView,
    Values,
)


class GetFormats(Verb[FormatComparison], frozen=True, tag=True):
    """Formats on the same values: those that are named, every one where none is. Of the recipe only the fixes count."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    values: Values
    notations: tuple[str, ...] = ()


class GetInputCosines(Verb[InputCosines], frozen=True, tag=True):
    """How far the channels of a layer's input go together. Of the recipe only the fixes count."""

    ref: ModelRef
    recipe: Recipe
    layer: str


class GetConvergence(Verb[Convergence], frozen=True, tag=True):
    """How soon the clip range of a layer's input settles: a calibration pass."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    layer: str


class GetCalibrationCurve(Verb[CalibrationCurve], frozen=True, tag=True):
    """The metric and the ranges against the number of calibration samples: an evaluation for each draw."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    subsets: int


class GetRangeSetters(Verb[RangeSetters], frozen=True, tag=True):
    """Which calibration samples set the ranges, and how far evaluation data leave them: two float passes."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetFormatView(Verb[TensorView], frozen=True, tag=True):
    """One format, in the notation of the command line, on these values; with a clip range where one is given."""

    ref: ModelRef
    recipe: Recipe
    values: Values
    notation: str
    clip: tuple[float, float] | None = None


class GetInputRanges(Verb[InputRanges], frozen=True, tag=True):
    """How far a layer's input reaches, sample by sample and token by token."""

    ref: ModelRef
    recipe: Recipe
    layer: str


class GetReadRanges(Verb[ChannelRanges], frozen=True, tag=True):
    """The range of a layer's weights by the input channel that they read. Of the recipe only the fixes count."""

    ref: ModelRef
    recipe: Recipe
    layer: str


class GetClipCurve(Verb[ClipCurve], frozen=True, tag=True):
    """The error of a layer's weight at one symmetric clip limit after another. Of the recipe only the fixes count."""

    ref: ModelRef
    recipe: Recipe
    layer: str
    notation: str
