"""Model-level answers."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from qdebug.results.base import Result
from qdebug.results.divergence import Divergence
from qdebug.results.layer import Finding, LayerReport
from qdebug.results.routing import Routed
from qdebug.results.subgroups import Subgroup, worst_group

FRACTIONS = ("accuracy", "pixel_accuracy", "token_accuracy", "agreement")
"""Metrics that are shares of the predictions; ``top5_accuracy`` and the like are too."""
TITLES = {"sqnr_db": "output SQNR", "agreement": "agreement with float", "pixel_accuracy": "pixel accuracy",
          "token_accuracy": "token accuracy", "cosine": "cosine to float", "mse": "mean squared error",
          "mse_to_float": "mean squared error to float"}  # fmt: skip
"""Metrics in words, where their names are none."""
_TOP = re.compile(r"top(\d+)_accuracy")


def is_fraction(name: str) -> bool:
    """Whether a metric is a share of the predictions."""
    return name in FRACTIONS or _TOP.fullmatch(name) is not None


def metric_words(name: str) -> str:
    """A metric in words: ``output SQNR``, ``top-5 accuracy``; a function of somebody's own by its name."""
    top = _TOP.fullmatch(name)
    return f"top-{top[1]} accuracy" if top else TITLES.get(name, name)


class Metric(Result, frozen=True, kw_only=True):
    """The task metric, float against quantized on the same samples.

    Attributes:
        name: ``accuracy``, ``pixel_accuracy``, ``token_accuracy``, ``top5_accuracy`` and the like, ``perplexity``,
            ``agreement`` (top-1, no labels needed), ``cosine`` (embeddings, to the float model's), ``sqnr_db`` (outputs
            that are no class scores), ``mse`` (to targets in the data), ``mse_to_float`` (to the float model's output),
            or the name of a function of one's own.
        float_: the float model's value (``float`` in JSON); accuracies are fractions.
        quantized: the quantized model's.
        delta: quantized minus float.
        ci95: paired 95 % interval of delta.
        quantized_ci95: 95 % interval of the quantized value.
        flips: predictions (samples, or tokens of a language model, or pixels) whose top-1 changed.
        n: samples; for perplexity sequences.
        predictions: how many predictions the flips are out of.
        agreement: share of predictions that did not change.
        higher_is_better: whether a fall of the metric is a loss.
        unit: of the values, where a function of one's own says one.
        power: of ``mse_to_float``, the mean square of the float model's output, which the error is small against.
    """

    name: str
    float_: float = msgspec.field(name="float")
    quantized: float
    delta: float
    ci95: tuple[float, float]
    quantized_ci95: tuple[float, float]
    flips: int
    n: int
    predictions: int
    agreement: float
    higher_is_better: bool
    unit: str = ""
    power: float = 0.0

    @property
    def counted(self) -> str:
        """What the flips are flips of."""
        return "pixels" if self.name == "pixel_accuracy" else "predictions"

    @property
    def harmless(self) -> bool:
        """Whether it is within one point of float (0.01 of a cosine; 30 dB of a plain output; 5 % of all others)."""
        if is_fraction(self.name):
            return self.delta >= -0.01
        if self.name == "sqnr_db":
            return self.quantized >= 30
        if self.name == "mse_to_float":
            return self.quantized <= 1e-3 * self.power  # which are 30 dB too
        if self.name == "cosine":
            return self.quantized >= 0.99
        return self.loss <= 0.05

    @property
    def loss(self) -> float:
        """What was lost, as a part of the float value's size; of ``mse_to_float``, of the float output's power.

        Absolute where that size is 0; negative for a gain.
        """
        worse = -self.delta if self.higher_is_better else self.delta
        size = self.power if self.name == "mse_to_float" else abs(self.float_)
        return worse / size if size > 0 else worse


class Size(Result, frozen=True, kw_only=True):
    """Bytes of all parameters, float and under the recipe (codes, scales and zero points), and bits per parameter."""

    float_bytes: int
    quantized_bytes: int
    bits_per_weight: float


class Score(Result, frozen=True, kw_only=True):
    """What the score strip shows.

    Attributes:
        recipe: the recipe's digest.
        exact: False for an estimate, from the first ``metric.n`` samples.
        seconds: what the answer took when it was computed.
    """

    recipe: str
    metric: Metric
    size: Size
    exact: bool
    seconds: float
    findings: tuple[Finding, ...] = ()


class OutputChange(Result, frozen=True, kw_only=True):
    """How far a recipe moves the model's output, whatever the task.

    Attributes:
        recipe: the recipe's digest.
        error: mean squared change of the output per sample, against the float model.
        n: samples.
    """

    recipe: str
    error: float
    n: int


class Share(Result, frozen=True, kw_only=True):
    """One layer's part in the damage: quantized alone, everything else float.

    Attributes:
        isolated: mean squared change of the model's output per sample.
        share: ``isolated`` over the sum of all layers'.
        metric: the task metric with this layer alone quantized; None where that was not measured.
        predicted: whether ``isolated`` was predicted from gradients, and not measured yet.
    """

    name: str
    isolated: float
    share: float
    metric: float | None
    predicted: bool = False


class Shares(Result, frozen=True, kw_only=True):
    """All layers' parts, in graph order; ``n`` is how many samples they were measured on."""

    recipe: str
    rows: tuple[Share, ...]
    n: int
    seconds: float

    @property
    def leading(self) -> tuple[Share, ...]:
        """The fewest layers that together make 80 % of the damage, worst first; none where there is no damage."""
        found: list[Share] = []
        total = 0.0
        for row in sorted(self.rows, key=lambda one: -one.share):
            if row.share <= 0 or total >= 0.8:
                break
            found.append(row)
            total += row.share
        return tuple(found)


class Subgroups(Result, frozen=True, kw_only=True):
    """All classes and groups of the evaluation data under a recipe.

    Attributes:
        recipe: its digest.
        overall: the metric on all data.
        rows: classes first, each key in the order of its names; none where the data tell of no two.
        left_out: what was not taken apart and why, in a sentence; mostly empty.
    """

    recipe: str
    overall: Metric
    rows: tuple[Subgroup, ...]
    left_out: str = ""
    seconds: float

    @property
    def worst(self) -> Subgroup | None:
        """The row that lost most among those that lost more than chance explains; None where none did."""
        return worst_group(self.rows, self.overall.higher_is_better, significant=True)


class Verdict(Result, frozen=True, kw_only=True):
    """The finding in words: ``text`` the sentence, ``worst`` the layers it names, ``healthy`` whether all is well."""

    text: str
    worst: tuple[str, ...]
    healthy: bool


class Evaluation(Result, frozen=True, kw_only=True):
    """What ``qdebug evaluate`` prints.

    Attributes:
        simulation: the one behind the metric; errors per layer are always those of the float simulation.
        float_note: what "float" means here, where that is not plain.
        groups: the metric by class and by group of the data, of the float simulation as the layers are.
        divergence: of a language model's next-token distributions, of the float simulation too; None of other models.
        experts: of a mixture, with the share of the tokens that each gets.
    """

    model: str
    digest: str
    recipe: str
    n: int
    calibration: str
    metric: Metric
    size: Size
    layers: tuple[LayerReport, ...]
    findings: tuple[Finding, ...]
    seconds: float
    simulation: Literal["float", "integer"] = "float"
    float_note: str = ""
    groups: tuple[Subgroup, ...] = ()
    divergence: Divergence | None = None
    experts: tuple[Routed, ...] = ()
