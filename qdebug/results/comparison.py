"""Two recipes side by side: what they cost, where they differ, whose answers changed."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result
from qdebug.results.calibration import Picture
from qdebug.results.score import Metric, Size
from qdebug.results.subgroups import Key

Direction = Literal["lost", "gained", "other"]
"""Of a change from A to B: right only in A, right only in B, or wrong in both and differently."""
Reference = Literal["labels", "float"]
"""What is right: the label; or, where there are none, what the float model says."""
Unit = Literal["sample", "token", "image", "output"]
"""What changes: a sample's class, a token, the pixels of an image, or an output that is no class."""


class ComparedSide(Result, frozen=True, kw_only=True):
    """One of the two recipes.

    Attributes:
        name: what it was called by whoever asked; may be empty.
        recipe: its digest.
        metric: against the float model, on all evaluation data.
        size: of all parameters.
    """

    name: str
    recipe: str
    metric: Metric
    size: Size


class PairedDifference(Result, frozen=True, kw_only=True):
    """The task metric of B against that of A, on the same samples.

    Attributes:
        name: the metric.
        a: A's value.
        b: B's value.
        delta: B minus A; of two SQNRs in decibels.
        ci95: paired 95 % interval of delta.
        p: of no difference; None where one side is the float model and any change is a loss by definition.
        lost: predictions right in A and wrong in B (of outputs that are no class: samples farther from float in B).
        gained: the other way round.
        changed: predictions (or outputs) that differ at all.
        predictions: out of how many.
        n: samples.
        higher_is_better: whether a rise of the metric is a gain.
    """

    name: str
    a: float
    b: float
    delta: float
    ci95: tuple[float, float]
    p: float | None
    lost: int
    gained: int
    changed: int
    predictions: int
    n: int
    higher_is_better: bool

    @property
    def gain(self) -> float:
        """How much better B is, in the unit of the metric; below 0 where it is worse."""
        return self.delta if self.higher_is_better else -self.delta


class GroupDifference(Result, frozen=True, kw_only=True):
    """A class, or a group of the data, under both recipes.

    Attributes:
        key: ``class`` or ``group``.
        name: the label, or the group's name.
        difference: on its samples; ``p`` is adjusted for all rows (Holm), the interval is the row's own.
        significant: whether ``p`` is at most 0.05.
    """

    key: Key
    name: str
    difference: PairedDifference
    significant: bool

    @property
    def called(self) -> str:
        """The row in words: ``class 7``."""
        return f"{self.key} {self.name}"


class LayerSide(Result, frozen=True, kw_only=True):
    """A layer under one of the recipes.

    Attributes:
        weight: the weight's format, such as ``int4 g32``.
        activation: the input's; None for an embedding.
        more: whatever else of its plan is not the same on both sides, such as ``weight range mse``.
        fixes: those that touch it, in order, as the command line names them.
        weight_sqnr_db: of the weight; None where there is no error.
        activation_sqnr_db: of its input.
        output_sqnr_db: of its output, the input float (local).
    """

    weight: str
    activation: str | None
    more: tuple[str, ...]
    fixes: tuple[str, ...]
    weight_sqnr_db: float | None
    activation_sqnr_db: float | None
    output_sqnr_db: float | None


class LayerDifference(Result, frozen=True, kw_only=True):
    """A layer that the two recipes treat differently."""

    name: str
    op: str
    a: LayerSide
    b: LayerSide


class Comparison(Result, frozen=True, kw_only=True):
    """What ``qdebug compare`` prints.

    Attributes:
        model: its name.
        digest: the model's.
        a: one recipe.
        b: the other.
        difference: B against A.
        reference: what counts as right.
        unit: what changes.
        layers: those that are treated differently, in the order of the graph.
        alike: how many layers are not.
        between: what else differs, between layers and in biases: what A says and what B says.
        groups: classes first; none where the data tell of no two.
        left_out: what was not taken apart and why; mostly empty.
        n: samples.
        seconds: what it took.
    """

    model: str
    digest: str
    a: ComparedSide
    b: ComparedSide
    difference: PairedDifference
    reference: Reference
    unit: Unit
    layers: tuple[LayerDifference, ...]
    alike: int
    between: tuple[tuple[str, str], ...]
    groups: tuple[GroupDifference, ...]
    left_out: str
    n: int
    seconds: float

    @property
    def is_same(self) -> bool:
        """Whether the two recipes say the same."""
        return self.a.recipe == self.b.recipe


class Excerpt(Result, frozen=True, kw_only=True):
    """What a language model read and said, as text.

    Attributes:
        before: the end of what it had read; bytes as characters where the vocabulary is one of bytes, numbers else.
        target: the token that is right; empty where none is known.
        a: A's token.
        b: B's.
        is_bytes: whether these are characters.
    """

    before: str
    target: str
    a: str
    b: str
    is_bytes: bool


class FlippedSample(Result, frozen=True, kw_only=True):
    """One answer that is another under B than under A.

    Attributes:
        sample: its place in the evaluation data, from 0.
        position: of a token in its sequence; else None.
        direction: what the change is.
        target: the class that is right: the label or, without labels, the float model's answer; None for images and
            plain outputs.
        a: A's class, −1 where a score was NaN; likewise None.
        b: B's.
        margin_a: by how much A scores its own class above B's; None where there is no number.
        margin_b: by how much B scores its own class above A's.
        error_a: of a plain output, or of an image the share of its pixels that are wrong: A's relative error
            ‖A − float‖ / ‖float‖, or the share.
        error_b: B's.
        moved: ‖B − A‖ / ‖float‖, or the share of pixels that changed.
        picture: its first input that is an image.
        text: of a token, what was read and said.
        group: the sample's group, where the data name any; else empty.
    """

    sample: int
    position: int | None
    direction: Direction
    target: int | None
    a: int | None
    b: int | None
    margin_a: float | None
    margin_b: float | None
    error_a: float | None
    error_b: float | None
    moved: float | None
    picture: Picture | None
    text: Excerpt | None
    group: str


class Flips(Result, frozen=True, kw_only=True):
    """A page of the answers that changed, the most decided first.

    Attributes:
        unit: what a row is.
        reference: what counts as right.
        counts: rows in all by direction: lost, gained, other.
        predictions: out of how many: classes that were predicted, or samples where rows are images or outputs.
        direction: the one on this page; None for all.
        start: the place of the first row, from 0.
        total: rows of this direction.
        rows: the page.
    """

    unit: Unit
    reference: Reference
    counts: tuple[int, int, int]
    predictions: int
    direction: Direction | None
    start: int
    total: int
    rows: tuple[FlippedSample, ...]
