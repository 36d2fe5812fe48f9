"""What each layer's quantization alone does to the output: predicted, and measured."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

Measure = Literal["squared", "kl", "loss"]
Mode = Literal["predict", "exact"]
HEAVY = 0.1
"""Part of a layer's predicted error from which on a sample not yet measured is told of."""


class SensitivityRow(Result, frozen=True, kw_only=True):
    """One layer in one format, everything else float.

    Attributes:
        layer: its name.
        format: as it was asked for, for instance ``w8a8``.
        predicted: the predicted error per sample; None where it was not predicted.
        weight, activation: the same with the weight or the input alone quantized.
        exact: the measured error per sample; None where it was not measured. While only part of the samples were, what
            these and the predictions of all tell of the mean of all.
        predicted_ci95, exact_ci95: their 95 % intervals.
        metric: the task metric with this layer alone quantized, where measured.
        n: samples that the measured error and the metric rest on; all, or fewer while it is measured or where the order
            was settled before.
        linear: whether both agree as far as chance allows; a layer for which they do not is outside the linear regime,
            where small errors add up and large ones need not. None unless both are there.
        refused: why the layer cannot have the format; empty where it can.
        unseen: the largest part of the layer's predicted error that one sample has which was not measured yet; None
            where all were, or nothing is predicted.
        seconds: what measuring took.
        without: the measured error per sample of the whole recipe, every layer in this format, but for this layer.
        gain: by how much that is less than the whole recipe's error; negative where the layer's quantization makes up
            for that of others.
        without_ci95, gain_ci95: their 95 % intervals; the gain's is of differences sample by sample.
        without_metric: the task metric of the recipe but for this layer.
    """

    layer: str
    format: str
    predicted: float | None = None
    weight: float | None = None
    activation: float | None = None
    exact: float | None = None
    predicted_ci95: tuple[float, float] | None = None
    exact_ci95: tuple[float, float] | None = None
    metric: float | None = None
    n: int = 0
    linear: bool | None = None
    refused: str = ""
    unseen: float | None = None
    seconds: float = 0.0
    without: float | None = None
    gain: float | None = None
    without_ci95: tuple[float, float] | None = None
    gain_ci95: tuple[float, float] | None = None
    without_metric: float | None = None

    @property
    def awaits_heavy(self) -> bool:
        """Whether one sample that was not measured yet is predicted to have a good part of the error."""
        return self.unseen is not None and self.unseen > HEAVY


class WholeRecipe(Result, frozen=True, kw_only=True):
    """All layers that can be, in one format; embeddings float.

    Attributes:
        format: as asked for.
        exact, exact_ci95: the measured error per sample, and its 95 % interval.
        metric: the task metric.
        n: samples that they rest on.
    """

    format: str
    exact: float
    exact_ci95: tuple[float, float]
    metric: float
    n: int


class SweepPlan(Result, frozen=True, kw_only=True):
    """What measuring will cost, known before it starts.

    Attributes:
        items: recipes to measure.
        parts: samples seen after each part of the data.
        passes: float passes over all data, by the multiply-accumulates that lie at or behind the layers in question.
        kept: passes that the journal saves.
        cores: how many work.
        seconds: by the measured time of a float pass on one core, at most; a settled order takes less.
    """

    items: int
    parts: tuple[int, ...]
    passes: float
    kept: float
    cores: int
    seconds: float


class Order(Result, frozen=True, kw_only=True):
    """How sure the measured order of layers within each format is.

    Attributes:
        settled: whether each two neighbours were told apart, or found to be a tie.
        confidence: that all of that is right together; 1 where all of the data were looked at.
        ties: format and two neighbouring layers whose errors are within 5 % of each other, as sure as that, or equal.
    """

    settled: bool
    confidence: float
    ties: tuple[tuple[str, str, str], ...] = ()


class Sensitivity(Result, frozen=True, kw_only=True):
    """All layers in all formats that were asked for.

    Attributes:
        model, digest: the model.
        recipe: the digest of the recipe whose fixes were applied first.
        measure: what the errors are: the output's ``squared`` change per sample, the Kullback-Leibler divergence from
            the float output (``kl``), or the change of the task's log-loss (``loss``, of either sign); the latter two
            in nats per target, which is a sample, a token or a pixel.
        mode: how far it was asked for.
        formats: as asked.
        rows: by format, then in the order of the graph.
        n: samples looked at.
        of: samples there are.
        forward_seconds: one float pass over them.
        seconds: all of it.
        unreached: layers from which no gradient gets to the output; they have no prediction.
        whole: of each format the recipe of all layers, where leaving one out was asked for.
        plan: what measuring costs, where that was asked for.
        order: how sure the order is, once that is known.
    """

    model: str
    digest: str
    recipe: str
    measure: Measure
    mode: Mode
    formats: tuple[str, ...]
    rows: tuple[SensitivityRow, ...]
    n: int
    of: int
    forward_seconds: float
    seconds: float
    unreached: tuple[str, ...] = ()
    whole: tuple[WholeRecipe, ...] = ()
    plan: SweepPlan | None = None
    order: Order | None = None

    def of_format(self, name: str) -> tuple[SensitivityRow, ...]:
        """The rows of one format, in the order of the graph."""
        return tuple(row for row in self.rows if row.format == name)
