"""All that is known of a model under a recipe, to be kept, sent and read by others."""

from __future__ import annotations

from typing import Any, Literal

from qdebug.results.base import Result
from qdebug.results.comparison import Comparison, Flips
from qdebug.results.diagnosis import Diagnosis
from qdebug.results.layer import LayerDetail
from qdebug.results.model import ModelInfo
from qdebug.results.score import Evaluation, Metric, Shares, Size, Verdict
from qdebug.results.verified import Verified


class DataUsed(Result, frozen=True, kw_only=True):
    """Data behind the numbers.

    Attributes:
        role: what they were used for.
        source: a file's name, or what they are in words.
        n: samples.
        digest: thirty-two hex digits that name inputs, labels and groups.
    """

    role: Literal["evaluation", "calibration", "training"]
    source: str
    n: int
    digest: str


class Step(Result, frozen=True, kw_only=True):
    """The recipe with its fixes up to one of them.

    Attributes:
        fix: the last, as ``--fix`` takes it; empty for none at all.
        title: the same in words.
        metric: with them.
        size: with them.
    """

    fix: str
    title: str
    metric: Metric
    size: Size


class Report(Result, frozen=True, kw_only=True):
    """What ``qdebug report`` writes.

    Attributes:
        made: when, in UTC, as ISO 8601 has it.
        versions: of qdebug and of what computed the numbers.
        model: what was opened.
        data: what it was evaluated and calibrated on, and trained on where a fix trains.
        recipe: the recipe as its file has it.
        recipe_words: the same in words: what is spoken of, and what is said of it.
        verdict: the whole in a sentence.
        evaluation: metric, size, every layer's errors, classes and groups.
        shares: every layer's part in the damage.
        worst: the layers that do most of it, worst first.
        diagnosis: causes, and fixes that were tried; None where it was not asked for.
        mended: causes in the recipe without its fixes: what they were for; None where it has none, or where causes were
            not asked for.
        steps: the recipe without fixes, and with one more each; none where it has none.
        verified: held against a runtime; None where it was not.
        unverified: why not; empty where it was.
        seconds: what all of it took.
    """

    made: str
    versions: dict[str, str]
    model: ModelInfo
    data: tuple[DataUsed, ...]
    recipe: dict[str, Any]
    recipe_words: tuple[tuple[str, str], ...]
    verdict: Verdict
    evaluation: Evaluation
    shares: Shares
    worst: tuple[LayerDetail, ...]
    diagnosis: Diagnosis | None
    mended: Diagnosis | None
    steps: tuple[Step, ...]
    verified: Verified | None
    unverified: str
    seconds: float


class ReportSide(Result, frozen=True, kw_only=True):
    """One of the two that a diff report is about.

    Attributes:
        name: what it was called by whoever asked.
        model: what was opened.
        data: what it was evaluated and calibrated on.
        recipe: the recipe as its file has it.
        recipe_words: the same in words.
        shares: every layer's part in the damage.
    """

    name: str
    model: ModelInfo
    data: tuple[DataUsed, ...]
    recipe: dict[str, Any]
    recipe_words: tuple[tuple[str, str], ...]
    shares: Shares


class DiffReport(Result, frozen=True, kw_only=True):
    """What ``qdebug report --against`` and ``--against-model`` write: B, what is at hand, held against A.

    Attributes:
        made: when, in UTC, as ISO 8601 has it.
        versions: of qdebug and of what computed the numbers.
        kind: whether A and B are two recipes of one model, or two versions of a model.
        a: what it is held against.
        b: what is at hand.
        comparison: metric, size, layers, classes and groups, B against A.
        flips: answers that changed, the most decided first.
        removed: layers that A alone has.
        added: layers that B alone has.
        seconds: what all of it took.
    """

    made: str
    versions: dict[str, str]
    kind: Literal["recipes", "models"]
    a: ReportSide
    b: ReportSide
    comparison: Comparison
    flips: Flips
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    seconds: float
