"""What is asked about taking a recipe home. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from qdebug.jobs.verb import Lane, Verb
from qdebug.recipes import Recipe
from qdebug.results import Exported, Latency, ModelRef, TargetCard, Verified
from qdebug.results.verified import Simulation

Runtime = Literal["onnxruntime", "openvino"]


class GetTargets(Verb[tuple[TargetCard, ...]], frozen=True, tag=True):
    """Every kind of file that a recipe can be exported as."""


class GetUnsaid(Verb[tuple[str, ...]], frozen=True, tag=True):
    """What a checkpoint for a target will not say of the recipe, as far as formats alone tell."""

    ref: ModelRef
    recipe: Recipe
    target: str


class GetExport(Verb[Exported], frozen=True, tag=True):
    """The recipe as a file for a target, written where it is not there yet; files may be removed later.

    What is more than a file comes as one archive.
    """

    lane: ClassVar[Lane] = "slow"
    kept: ClassVar[bool] = False
    ref: ModelRef
    recipe: Recipe
    target: str


class GetReport(Verb[Exported], frozen=True, tag=True):
    """All that can be found out of a recipe as a page and its data, written where they are not there yet.

    With ``against`` it is the difference from that recipe.
    """

    lane: ClassVar[Lane] = "slow"
    kept: ClassVar[bool] = False
    ref: ModelRef
    recipe: Recipe
    runtime: Runtime
    against: Recipe | None = None


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
