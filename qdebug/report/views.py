"""What a value shows of itself in a notebook or a terminal: a finding, a few facts, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.figures import numbers
from qdebug.figures.comparison import comparison_finding, layers_finding
from qdebug.figures.diagnosis import TITLES, fix_words
from qdebug.figures.sensitivity import finding, known, unit
from qdebug.figures.text import input_in_words, plural
from qdebug.results import Comparison, Diagnosis, Evaluation, LayerReport, Metric, ModelInfo, Sensitivity, Size
from qdebug.results.report import DiffReport, Report

MOST = 12
"""Rows of a table that are shown."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a value.

    Attributes:
        title: the finding, without a full stop.
        facts: what is spoken of, and what is said of it.
        head: titles of a table's columns; the first is of names.
        rows: its cells, the most telling first.
        left: rows that are not shown.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left: int = 0


def of_model(info: ModelInfo) -> View:
    """A model as it was opened."""
    ordered = sorted(info.layers, key=lambda layer: -layer.macs)
    rows = [(layer.name, layer.op, "×".join(map(str, layer.weight_shape)), numbers.many(layer.params),
             numbers.many(layer.macs)) for layer in ordered]  # fmt: skip
    facts = (
        ("size", f"{plural(len(info.layers), 'layer')}, {numbers.many(info.params)} parameters"),
        ("inputs", "; ".join(f"{one.name} {input_in_words(one)}" for one in info.inputs)),
        ("task", info.task),
        ("data", f"{plural(info.n_eval, 'sample')}; calibrated on {info.calibration}"),
        ("digest", info.digest),
    )
    return _view(info.title or info.name, facts, ("layer", "operator", "weight", "parameters", "MACs"), rows)


def of_evaluation(found: Evaluation) -> View:
    """An evaluation, the layer with the worst output first."""
    title = f"{found.model}: {_change(found.metric)}"
    return _view(title, _score(found.metric, found.size, found.n), *_layers(found.layers))


def of_sensitivity(found: Sensitivity) -> View:
    """A sensitivity, the most harmful layers first."""
    by_layer: dict[str, dict[str, float | None]] = {}
    for row in found.rows:
        by_layer.setdefault(row.layer, {})[row.format] = None if row.refused else known(row)
    ordered = sorted(by_layer, key=lambda name: -max((one or 0.0 for one in by_layer[name].values()), default=0.0))
    rows = [(name, *(numbers.three(by_layer[name].get(form)) for form in found.formats)) for name in ordered]
    facts = (
        ("error", unit(found)),
        ("data", f"{numbers.count(found.n)} of {plural(found.of, 'sample')}"),
        ("took", numbers.seconds(found.seconds)),
    )
    return _view(f"{found.model}: {finding(found)}", facts, ("layer", *found.formats), rows)


def of_diagnosis(found: Diagnosis) -> View:
    """A diagnosis: causes, most damage first, each with the fix that helps most."""
    rows = [
        (TITLES.get(one.kind, one.kind), one.layer, numbers.share(one.share), fix_words(one.fix) if one.fix else "none",
         numbers.NONE if one.metric_after is None else numbers.metric_value(found.metric, one.metric_after))
        for one in found.causes
    ]  # fmt: skip
    head = ("cause", "worst in", "of the damage", "fix", f"{numbers.metric_title(found.metric)} with it")
    return _view(found.text.rstrip("."), (), head, rows)


def of_comparison(found: Comparison) -> View:
    """A comparison: the layers that differ."""
    rows = [
        (one.name, one.a.weight, one.b.weight, numbers.decibel(one.a.output_sqnr_db),
         numbers.decibel(one.b.output_sqnr_db))
        for one in found.layers
    ]  # fmt: skip
    facts = (("samples", numbers.count(found.n)), ("layers", layers_finding(found)))
    return _view(comparison_finding(found), facts, ("layer", "A", "B", "output A, dB", "output B, dB"), rows)


def of_report(found: Report) -> View:
    """A report: verdict, score, and where the error comes from."""
    evaluation = found.evaluation
    ordered = sorted(found.shares.rows, key=lambda row: -row.share)
    errors = {layer.name: layer.output.sqnr_db for layer in evaluation.layers}
    rows = [(row.name, numbers.share(row.share), numbers.decibel(errors.get(row.name))) for row in ordered]
    more = [(f"with {step.fix or 'no fix'}", numbers.metric_value(step.metric.name, step.metric.quantized))
            for step in found.steps]  # fmt: skip
    facts = (*_score(evaluation.metric, evaluation.size, evaluation.n), *more)
    return _view(found.verdict.text.rstrip("."), facts, ("layer", "share of the error", "output, dB"), rows)


def of_difference(found: DiffReport) -> View:
    """A diff report: what its comparison shows, and what the sides are."""
    view = of_comparison(found.comparison)
    names = (("A", found.a.name), ("B", found.b.name))
    return View(view.title, (*names, *view.facts), view.head, view.rows, view.left)


def _view(title: str, facts: Sequence[tuple[str, str]], head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> View:
    return View(title, tuple(facts), head if rows else (), tuple(rows[:MOST]), max(0, len(rows) - MOST))


def _change(metric: Metric) -> str:
    name, title = metric.name, numbers.metric_title(metric.name)
    if name == "sqnr_db":
        return f"{title} {numbers.metric_value(name, metric.quantized)}"
    quantized, before = (numbers.metric_value(name, one) for one in (metric.quantized, metric.float_))
    return f"{title} {quantized}, {before} in float"


def _score(metric: Metric, size: Size, n: int) -> tuple[tuple[str, str], ...]:
    title = numbers.metric_title(metric.name)
    interval = numbers.metric_interval(metric.name, metric.quantized_ci95)
    facts = [(title, f"{numbers.metric_value(metric.name, metric.quantized)} (95 %: {interval})"),
             ("size", f"{numbers.size(size.quantized_bytes)}, {numbers.three(size.bits_per_weight)} bits per weight"),
             ("samples", numbers.count(n))]  # fmt: skip
    if remark := numbers.metric_remark(metric):
        facts.insert(1, ("metric", remark))
    if metric.predictions:
        changed = f"{numbers.count(metric.flips)} of {numbers.count(metric.predictions)} {metric.counted}"
        facts.insert(1, ("unlike float", changed))
    return tuple(facts)


def _layers(layers: Sequence[LayerReport]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    ordered = sorted(layers, key=lambda one: float("inf") if one.output.sqnr_db is None else one.output.sqnr_db)
    rows = [
        (one.name, one.op, one.weight.format if one.weight else numbers.NONE,
         one.activation.format if one.activation else numbers.NONE, numbers.decibel(one.output.sqnr_db))
        for one in ordered
    ]  # fmt: skip
    return ("layer", "operator", "weight", "input", "output, dB"), rows
