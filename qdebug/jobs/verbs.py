"""What can be asked of the compute process. One frozen value per question; equal questions are one job. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Generic, Literal, TypeVar, get_args

import msgspec

from qdebug.recipes import LayerPlan, Recipe
from qdebug.results import (
    CacheStats,
    CalibrationCurve,
    Convergence,
    Diagnosis,
    Exported,
    FixCard,
    FormatComparison,
    Latency,
    LayerDetail,
    LayerTable,
    Mixture,
    ModelInfo,
    ModelRef,
    RangeSetters,
    SampleCard,
    Score,
    Sensitivity,
    Shares,
    Subgroups,
    TargetCard,
    TensorView,
    Values,
    Verdict,
    Verified,
)
from qdebug.results.mixture import How, Unit
from qdebug.results.sensitivity import Measure, Mode
from qdebug.results.verified import Simulation

A_co = TypeVar("A_co", covariant=True)
Lane = Literal["quick", "open", "slow"]
Runtime = Literal["onnxruntime", "openvino"]


class Verb(msgspec.Struct, Generic[A_co], frozen=True, tag=True, forbid_unknown_fields=True):
    """A question whose answer has the type ``A_co``.

    Attributes:
        lane: which threads answer it, so that one person's minutes never stand before another's milliseconds.
        kept: whether a finished answer may be given again (not where it changes by itself).
    """

    lane: ClassVar[Lane] = "quick"
    kept: ClassVar[bool] = True

    @classmethod
    def answer_type(cls) -> object:
        """The type that the answer is decoded as, taken from the base class ``Verb[…]``."""
        (base,) = (base for base in cls.__orig_bases__ if getattr(base, "__origin__", None) is Verb)  # type: ignore[attr-defined]
        return get_args(base)[0]


class Samples(Verb[tuple[SampleCard, ...]], frozen=True, tag=True):
    """The sample models' cards."""


class Open(Verb[ModelInfo], frozen=True, tag=True):
    """The model in numbers and words; opens it."""

    ref: ModelRef


class Inspect(Verb[ModelInfo], frozen=True, tag=True):
    """What a model's file holds, its data aside: also of a model that has none yet or cannot be run."""

    lane: ClassVar[Lane] = "open"
    ref: ModelRef


class Check(Verb[None], frozen=True, tag=True):
    """Nothing, or the error that says what the recipe asks for and the model cannot do."""

    ref: ModelRef
    recipe: Recipe


class GetScore(Verb[Score], frozen=True, tag=True):
    """The score strip."""

    ref: ModelRef
    recipe: Recipe


class GetLayers(Verb[LayerTable], frozen=True, tag=True):
    """The layer table."""

    ref: ModelRef
    recipe: Recipe


class GetShares(Verb[Shares], frozen=True, tag=True):
    """Every layer's isolated error: a pass per layer."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetSubgroups(Verb[Subgroups], frozen=True, tag=True):
    """The metric by class and by group; what the score has predicted is all it needs."""

    ref: ModelRef
    recipe: Recipe


class GetSensitivity(Verb[Sensitivity], frozen=True, tag=True):
    """Every layer in every format, all else float; what is known so far is shown as it comes.

    Attributes:
        ref: the model.
        recipe: of it only the fixes count.
        formats: a name and a plan each.
        mode: predict, or measure too.
        measure: what the errors are.
    """

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    formats: tuple[tuple[str, LayerPlan], ...]
    mode: Mode = "predict"
    measure: Measure = "squared"


class GetDetail(Verb[LayerDetail], frozen=True, tag=True):
    """One layer's histograms and ranges."""

    ref: ModelRef
    recipe: Recipe
    layer: str


class GetFixes(Verb[tuple[FixCard, ...]], frozen=True, tag=True):
    """Every fix and where it applies."""

    ref: ModelRef
    recipe: Recipe


class GetVerdict(Verb[Verdict], frozen=True, tag=True):
    """The finding in words; it rests on the shares."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetDiagnosis(Verb[Diagnosis], frozen=True, tag=True):
    """Why the recipe breaks the model: causes with evidence, and fixes that were tried."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetFormats(Verb[FormatComparison], frozen=True, tag=True):
    """Every format on the same values. Of the recipe only the fixes count."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    values: Values


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
    """One format, in the notation of the command line, on these values."""

    ref: ModelRef
    recipe: Recipe
    values: Values
    notation: str


class GetTargets(Verb[tuple[TargetCard, ...]], frozen=True, tag=True):
    """Every kind of file that a recipe can be exported as."""


class GetExport(Verb[Exported], frozen=True, tag=True):
    """The recipe as a file for a target, written where it is not there yet; files may be removed later."""

    lane: ClassVar[Lane] = "slow"
    kept: ClassVar[bool] = False
    ref: ModelRef
    recipe: Recipe
    target: str


class GetVerified(Verb[Verified], frozen=True, tag=True):
    """The exported ONNX file in a runtime, held against its simulation code by code."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    runtime: Runtime
    simulation: Simulation


class GetLatency(Verb[Latency], frozen=True, tag=True):
    """Seconds of the float and the exported model; another ``turn`` is measured anew."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    threads: int
    turn: int = 0


class GetMixture(Verb[Mixture], frozen=True, tag=True):
    """The front of a mixed-precision search, with some of its points measured. Of the recipe only the fixes count."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    formats: tuple[str, ...]
    unit: Unit
    how: How = "additive"
    ties: tuple[str, ...] = ()
    platform: str | None = None
    device: str | None = None
    confirm: int = 0


class GetStats(Verb[CacheStats], frozen=True, tag=True):
    """The cache, now."""

    kept: ClassVar[bool] = False


Request = (
    Samples | Open | Inspect | Check | GetScore | GetLayers | GetShares | GetSubgroups | GetSensitivity
    | GetDiagnosis | GetDetail | GetFixes | GetVerdict | GetFormats | GetFormatView | GetConvergence
    | GetCalibrationCurve | GetRangeSetters | GetTargets | GetExport | GetMixture | GetVerified | GetLatency
    | GetStats
)  # fmt: skip
"""All of them, as the compute process decodes what arrives."""
