"""What can be asked of the compute process. One frozen value per question; equal questions are one job. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from qdebug.jobs.format_verbs import (
    GetCalibrationCurve,
    GetClipCurve,
    GetConvergence,
    GetFormats,
    GetFormatView,
    GetInputCosines,
    GetInputRanges,
    GetRangeSetters,
    GetReadRanges,
)
from qdebug.jobs.group_verbs import GetGroupCalibration, GetGroupRanges, GetSampling
from qdebug.jobs.home_verbs import GetExport, GetLatency, GetReport, GetTargets, GetUnsaid, GetVerified
from qdebug.jobs.verb import Lane, Verb
from qdebug.recipes import Fix, LayerPlan, Recipe
from qdebug.results import (
    CacheStats,
    CloseUp,
    Comparison,
    Diagnosis,
    ErrorCourse,
    FixCard,
    FixEstimate,
    FixTrial,
    Flips,
    LayerDetail,
    LayerTable,
    Mixture,
    ModelGraph,
    ModelInfo,
    ModelRef,
    OutputChange,
    PositionErrors,
    SampleCard,
    Scan,
    Score,
    Sensitivity,
    Shares,
    Subgroups,
    Verdict,
)
from qdebug.results.closeup import Look
from qdebug.results.comparison import Direction
from qdebug.results.mixture import How, Judge, Unit
from qdebug.results.sensitivity import Measure, Mode

Until = Literal["all", "order"]


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


class GetGraph(Verb[ModelGraph], frozen=True, tag=True):
    """The model's blocks and layers, and the ways between them. Nothing is run for it, so it waits for nobody's run."""

    lane: ClassVar[Lane] = "open"
    ref: ModelRef


class GetScore(Verb[Score], frozen=True, tag=True):
    """The score strip."""

    ref: ModelRef
    recipe: Recipe


class GetOutputChange(Verb[OutputChange], frozen=True, tag=True):
    """How far the recipe moves the output, on all evaluation data."""

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
        mode: predict, or measure too; what the workspace's journal has is not measured again.
        measure: what the errors are.
        until: all data, or until the order of layers is settled.
        worst: measure only so many layers of each format; all for 0.
        leave_one_out: measure the whole recipes, and these but for one layer, too.
    """

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    formats: tuple[tuple[str, LayerPlan], ...]
    mode: Mode = "predict"
    measure: Measure = "squared"
    until: Until = "all"
    worst: int = 0
    leave_one_out: bool = False


class GetOutlook(Verb[Sensitivity], frozen=True, tag=True):
    """What such a measurement would cost, and what the journal has of it already.

    Attributes:
        turn: the answer changes with the journal; another turn is looked up anew.
    """

    lane: ClassVar[Lane] = "slow"
    kept: ClassVar[bool] = False
    ref: ModelRef
    recipe: Recipe
    formats: tuple[tuple[str, LayerPlan], ...]
    measure: Measure = "squared"
    until: Until = "all"
    worst: int = 0
    leave_one_out: bool = False
    turn: str = ""


class GetErrorCourse(Verb[ErrorCourse], frozen=True, tag=True):
    """How the error grows along the depth."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe


class GetDetail(Verb[LayerDetail], frozen=True, tag=True):
    """One layer's histograms and ranges."""

    ref: ModelRef
    recipe: Recipe
    layer: str


class GetPositionErrors(Verb[PositionErrors], frozen=True, tag=True):
    """The error of a layer's output by the position in the sequence."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    layer: str


class GetCloseUp(Verb[CloseUp], frozen=True, tag=True):
    """A closer look at one layer than its detail is."""

    ref: ModelRef
    recipe: Recipe
    layer: str
    look: Look


class GetFixes(Verb[tuple[FixCard, ...]], frozen=True, tag=True):
    """Every fix and where it applies."""

    ref: ModelRef
    recipe: Recipe


class GetFixTrial(Verb[FixTrial], frozen=True, tag=True):
    """A fix worked out and measured: the recipe ``after`` has it, ``before`` has not."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    before: Recipe
    after: Recipe


class GetFixEstimate(Verb[FixEstimate], frozen=True, tag=True):
    """About how long a fix would take. Times change: another ``turn`` is estimated anew."""

    ref: ModelRef
    recipe: Recipe
    fix: Fix
    turn: int = 0


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


class GetMixture(Verb[Mixture], frozen=True, tag=True):
    """The front of a mixed-precision search, with some of its points measured.

    Of the recipe only the fixes count, and what is between layers. The device ``here`` has layers timed.
    """

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
    judge: Judge = "mean"


class GetComparison(Verb[Comparison], frozen=True, tag=True):
    """Two recipes side by side: two evaluations, and the layers that differ."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    a: Recipe
    b: Recipe


class GetFlips(Verb[Flips], frozen=True, tag=True):
    """A page of the answers that differ between two recipes."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    a: Recipe
    b: Recipe
    direction: Direction | None
    start: int
    most: int


class GetLayerFlips(Verb[Flips], frozen=True, tag=True):
    """A page of the answers that one layer alone, quantized as the recipe has it, changes from float: an evaluation."""

    lane: ClassVar[Lane] = "slow"
    ref: ModelRef
    recipe: Recipe
    layer: str
    direction: Direction | None
    start: int
    most: int


class GetScan(Verb[Scan], frozen=True, tag=True):
    """A checkpoint on the server's own disk, looked through; no model is at hand for it.

    Attributes:
        path: a file of weights, an index of shards, or a folder.
        formats: notations to try; none for statistics alone.
    """

    lane: ClassVar[Lane] = "slow"
    path: str
    formats: tuple[str, ...]


class GetStats(Verb[CacheStats], frozen=True, tag=True):
    """The cache, now."""

    kept: ClassVar[bool] = False


Request = (
    Samples | Open | Inspect | Check | GetScore | GetLayers | GetShares | GetSubgroups | GetSensitivity
    | GetOutlook | GetDiagnosis | GetDetail | GetFixes | GetVerdict | GetFormats | GetFormatView | GetConvergence
    | GetCalibrationCurve | GetRangeSetters | GetTargets | GetExport | GetReport | GetMixture | GetVerified | GetLatency
    | GetClipCurve | GetReadRanges | GetInputRanges | GetComparison | GetGraph | GetFixTrial | GetFixEstimate | GetFlips
    | GetOutputChange | GetInputCosines | GetErrorCourse | GetCloseUp | GetPositionErrors | GetLayerFlips
    | GetGroupRanges | GetGroupCalibration | GetSampling | GetScan | GetStats | GetUnsaid
)  # fmt: skip
"""All of them, as the compute process decodes what arrives."""
