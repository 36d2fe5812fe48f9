"""A mixture of formats, and what precision buys on the way to it."""

from __future__ import annotations

from typing import Any, Literal

from qdebug.results.base import Result
from qdebug.results.score import Metric

Unit = Literal["bits", "bytes", "bops", "seconds", "joules"]
"""What a budget is in: bits per weight, bytes of all parameters, bit-operations, seconds or joules for a sample."""
How = Literal["additive", "quadratic"]
Origin = Literal["search", "uniform"]


class MixturePoint(Result, frozen=True, kw_only=True):
    """One recipe on the front.

    Attributes:
        cost: in the search's unit.
        bits_per_weight, bytes: of all parameters.
        predicted: squared output error per sample, as the search predicts it.
        confirmed: the same, measured; None where it was not.
        metric: the task metric, measured; None where it was not.
        proven: whether nothing cheaper or as cheap is predicted to do better.
        origin: whether it was searched for, or is one format everywhere.
        formats: how many layers have each format, in the order of the search's formats.
        columns: the place of each layer's format among them, in the order of the search's layers.
        recipe: the recipe, as it is written to a file.
    """

    cost: float
    bits_per_weight: float
    bytes: int
    predicted: float
    confirmed: float | None = None
    metric: Metric | None = None
    proven: bool = False
    origin: Origin = "search"
    formats: tuple[int, ...]
    columns: tuple[int, ...]
    recipe: dict[str, Any]


class GreedyStep(Result, frozen=True, kw_only=True):
    """One change of the greedy way down: these layers from one format to another, and where that leads."""

    layers: tuple[str, ...]
    before: str
    after: str
    cost: float
    predicted: float


class Mixture(Result, frozen=True, kw_only=True):
    """What ``qdebug search`` prints.

    Attributes:
        model, digest: the model.
        unit: what costs are in.
        how: which prediction was minimized.
        formats: the formats to choose from.
        layers: the layers, in the order of the graph.
        budget: the most it may cost; None where none was set.
        max_drop: the most the metric may lose, as a fraction (or in the metric's own unit); None where none was set.
        front: by rising cost.
        chosen: the place of the chosen point on the front; None where nothing is good enough, which ``words`` explains.
        words: the choice in one sentence.
        steps: the greedy way from the dearest to the budget.
        unpredicted: layers whose error could not be predicted.
        n: samples.
        seconds: all of it.
    """

    model: str
    digest: str
    unit: Unit
    how: How
    formats: tuple[str, ...]
    layers: tuple[str, ...]
    budget: float | None
    max_drop: float | None
    front: tuple[MixturePoint, ...]
    chosen: int | None
    words: str
    steps: tuple[GreedyStep, ...] = ()
    unpredicted: tuple[str, ...] = ()
    n: int
    seconds: float
