"""A mixture of formats, and what precision buys on the way to it."""

from __future__ import annotations

from typing import Any, Literal

from qdebug.results.base import Result
from qdebug.results.score import Metric
from qdebug.results.subgroups import Subgroup
from qdebug.results.verified import Latency

Unit = Literal["bits", "bytes", "bops", "seconds", "joules"]
"""What a budget is in: bits per weight, bytes of all parameters, bit-operations, seconds or joules for a sample."""
How = Literal["additive", "quadratic"]
Origin = Literal["search", "uniform", "beside"]
Judge = Literal["mean", "worst-group"]
"""Whose error is minimized, and whose drop is limited: that of all samples, or that of the worst class or group."""


class MixturePoint(Result, frozen=True, kw_only=True):
    """One recipe on the front.

    Attributes:
        cost: in the search's unit.
        bits_per_weight, bytes: of all parameters; of a measured point with what its fixes keep beside the codes.
        predicted: squared output error per sample, as the search predicts it: of all samples, or of the worst class or
            group where that is what the search judges by.
        confirmed: the same, measured; None where it was not.
        expected: the same, set right by the points that were measured; None where this one was, or too few were, or
            where the worst group is judged by.
        expected_ci95: its 95 % interval.
        metric: the task metric of all samples, measured; None where it was not.
        worst: the class or group that lost most, measured; None where it was not, or where the search judges by the
            mean.
        proven: whether nothing cheaper or as cheap is predicted to do better.
        origin: whether it is on the front that was searched for, is one format everywhere, or was chosen another way or
            as a neighbour of the best, and stands beside the front.
        formats: how many layers have each format, in the order of the search's formats.
        columns: the place of each layer's format among them, in the order of the search's layers.
        recipe: the recipe, as it is written to a file.
    """

    cost: float
    bits_per_weight: float
    bytes: int
    predicted: float
    confirmed: float | None = None
    expected: float | None = None
    expected_ci95: tuple[float, float] | None = None
    metric: Metric | None = None
    worst: Subgroup | None = None
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
        judge: whose error and drop are meant.
        groups: classes and groups among which the worst is predicted; 0 where only measuring tells them apart, or where
            the search judges by the mean.
        between: the format of activations between layers; empty where they stay float.
        timed: how seconds are known; empty where they are modelled or not asked for.
        untimed: formats that some or all layers cannot have since there is no time for them, with the reasons.
        latency: the chosen recipe's file timed as a whole; None where it was not.
        taught_by: how many measured points set the others' predictions right; ruined ones do not count.
        taught_by_layers: how many errors of single layers, which sweeps had measured, did so too.
        missed: the median part of their error by which these would have been missed, had each been left out.
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
    judge: Judge = "mean"
    groups: int = 0
    between: str = ""
    timed: str = ""
    untimed: tuple[str, ...] = ()
    latency: Latency | None = None
    taught_by: int = 0
    taught_by_layers: int = 0
    missed: float | None = None
