"""What each layer's quantization alone does to the output: predicted, and measured."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

Measure = Literal["squared", "kl", "task"]
Mode = Literal["predict", "exact"]


class SensitivityRow(Result, frozen=True, kw_only=True):
    """One layer in one format, everything else float.

    Attributes:
        layer: its name.
        format: as it was asked for, for instance ``w8a8``.
        predicted: the predicted error per sample; None where it was not predicted.
        weight, activation: the same with the weight or the input alone quantized.
        exact: the measured error per sample; None where it was not measured.
        predicted_ci95, exact_ci95: their 95 % intervals.
        metric: the task metric with this layer alone quantized, where measured.
        linear: whether both agree as far as chance allows; a layer for which they do not is outside the linear regime,
            where small errors add up and large ones need not. None unless both are there.
        refused: why the layer cannot have the format; empty where it can.
        seconds: what measuring took.
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
    linear: bool | None = None
    refused: str = ""
    seconds: float = 0.0


class Sensitivity(Result, frozen=True, kw_only=True):
    """All layers in all formats that were asked for.

    Attributes:
        model, digest: the model.
        recipe: the digest of the recipe whose fixes were applied first.
        measure: what the errors are: the output's ``squared`` change per sample, the Kullback-Leibler divergence
            (``kl``) in nats per sample, or the change of the ``task``'s loss.
        mode: how far it was asked for.
        formats: as asked.
        rows: by format, then in the order of the graph.
        n: samples looked at.
        of: samples there are.
        forward_seconds: one float pass over them.
        seconds: all of it.
        unreached: layers from which no gradient gets to the output; they have no prediction.
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

    def of_format(self, name: str) -> tuple[SensitivityRow, ...]:
        """The rows of one format, in the order of the graph."""
        return tuple(row for row in self.rows if row.format == name)
