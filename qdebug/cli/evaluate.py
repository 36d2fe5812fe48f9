"""What a recipe costs: the task metric float against quantized, size, and every layer's errors."""

from __future__ import annotations

import argparse
import textwrap

import msgspec

from qdebug.cli import ranking, subgroups
from qdebug.cli.opening import just_opened, opened, refuse_inputs
from qdebug.cli.options import add_model, add_recipe, base_recipe, with_layers
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.ranking import Ranked, Ranking, ordered, several
from qdebug.errors import UsageError
from qdebug.recipes import save
from qdebug.results import ErrorSplit, Evaluation, LayerReport, Verdict

SUMMARY = "metric, size and every layer's errors under a recipe"
EXAMPLES = """\
  qdebug evaluate digits-mobilenet
  qdebug evaluate digits-mobilenet --preset w8a8 --fix cle,bias-correction --json
  qdebug evaluate pydoc-gpt --weight-format int4g32 --activation-format fp32
  qdebug evaluate model.onnx --data val.npz --calib train.npz --set 'blocks.*=w4a16' --save-recipe mine.yaml
  qdebug evaluate model.onnx --data val.npz --recipe mine.yaml
  qdebug evaluate model.int8.onnx --data val.npz --set 'head=w16a16'
  qdebug evaluate digits-mobilenet --preset w8a8-pc-all --simulate integer
  qdebug evaluate pydoc-gpt --preset w4a16 --weight-format nf4,mxfp4,nvfp4,int4g32,q4_k --json"""


_WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument(
        "--simulate", choices=("float", "integer"), default="float",
        help="what the metric is of: the float simulation, or integers as ONNX Runtime adds and rounds them",
    )  # fmt: skip
    parser.add_argument(
        "--save-recipe", metavar="PATH", help="write the recipe, with the model's digest, as YAML or .json"
    )


def run(options: argparse.Namespace) -> None:
    """Evaluate the recipe and print what came out."""
    if len(names := several(options.weight_format)) > 1:
        _rank(options, names)
        return
    options.weight_format = names[0] if names else options.weight_format
    verdict: Verdict | None = None
    with Reporter("loading torch") as reporter:
        if options.save_recipe:
            refuse_inputs(options, options.save_recipe)
        session, recipe = opened(options, reporter)
        if options.save_recipe:
            save(msgspec.structs.replace(recipe, model=session.info().digest), options.save_recipe)
        evaluation = session.evaluate(recipe, reporter.work)
        if options.simulate == "integer":
            from qdebug.verify import integer_metric

            metric = integer_metric(session, recipe, reporter.work)
            evaluation = msgspec.structs.replace(evaluation, metric=metric, simulation="integer")
        if not options.json:
            verdict = session.verdict(recipe, reporter.work)
    if verdict is None:
        print_json(evaluation)
    else:
        print(describe(evaluation, verdict))


def _rank(options: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Score the recipe with each of several weight formats and print them, best first."""
    if options.save_recipe:
        raise UsageError("--save-recipe with several weight formats", do="Name the one to save.")
    recipes = {}
    for name in names:
        options.weight_format = name
        recipes[name] = base_recipe(options)
    with Reporter("loading torch") as reporter:
        found_model = just_opened(options, reporter)
        info = found_model.info()
        rows = []
        for name, recipe in recipes.items():
            score = found_model.score(with_layers(recipe, options, info.layers), reporter.work)
            rows.append(Ranked(weight_format=name, metric=score.metric, size=score.size, seconds=score.seconds))
    found = Ranking(
        model=info.name, digest=info.digest, n=info.n_eval, calibration=info.calibration, ranking=ordered(rows)
    )
    print_json(found) if options.json else print(ranking.describe(found))


def describe(evaluation: Evaluation, verdict: Verdict) -> str:
    """The evaluation as text, the finding first."""
    parts = [
        textwrap.fill(f"{evaluation.model}: {verdict.text.rstrip('.')}.", _WIDTH),
        "",
        *_facts(evaluation),
        "",
        _layers(evaluation.layers),
    ]
    if evaluation.groups:
        parts += ["", *subgroups.describe(evaluation.metric, evaluation.groups)]
    if evaluation.findings:
        parts += ["", "Findings:"]
        parts += [f"  {finding.layer} {finding.tensor}: {finding.text}" for finding in evaluation.findings]
    return "\n".join(parts)


def _changed(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What of the answers and of their distributions changed; nothing of outputs that are neither."""
    from qdebug.figures import numbers

    metric, moved = evaluation.metric, evaluation.divergence
    rows = []
    if metric.predictions:
        flips = f"{numbers.count(metric.flips)} of {numbers.count(metric.predictions)} {metric.counted} changed"
        rows.append(("flips", flips))
    if moved is not None:
        low, high = (numbers.three(end) for end in moved.ci95)
        rows.append((
            "divergence",
            f"{numbers.three(moved.mean)} nats a token (95 % interval {low} to {high}), median "
            f"{numbers.three(moved.median)}, 99th percentile {numbers.three(moved.p99)}; same top token "
            f"{numbers.percent(moved.same_top1)}",
        ))  # fmt: skip
    return rows


def _experts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The experts of a mixture that are asked most and least."""
    from qdebug.figures import numbers

    if not evaluation.experts:
        return []
    ordered = sorted(evaluation.experts, key=lambda one: one.calibration)
    never = sum(one.calibration == 0 for one in ordered)
    ends = " to ".join(f"{numbers.percent(one.calibration)} ({one.expert})" for one in (ordered[0], ordered[-1]))
    said = f"{numbers.count(len(ordered))}, each asked for {ends} of the calibration data's tokens"
    return [("experts", said + (f"; {numbers.count(never)} never" if never else ""))]


def _facts(evaluation: Evaluation) -> list[str]:
    from qdebug.figures import numbers

    metric, size, integer = evaluation.metric, evaluation.size, evaluation.simulation == "integer"
    change, unit = numbers.metric_change(metric.name, metric.delta)
    low, high = (numbers.metric_change(metric.name, bound)[0] for bound in metric.ci95)
    rows = [
        (
            numbers.metric_title(metric.name),
            f"{numbers.metric_value(metric.name, metric.float_)} float, "
            f"{numbers.metric_value(metric.name, metric.quantized)} quantized; "
            f"change {change} {unit}".rstrip()
            + f" (95 % interval {low} to {high})"
            + (f"; {remark}" if (remark := numbers.metric_remark(metric)) else ""),
        ),
        *([("float", evaluation.float_note)] if evaluation.float_note else []),
        *_changed(evaluation),
        *_experts(evaluation),
        (
            "size",
            f"{numbers.size(size.float_bytes)} float, {numbers.size(size.quantized_bytes)} quantized "
            f"({numbers.times(size.float_bytes / max(1, size.quantized_bytes))} smaller), "
            f"{numbers.three(size.bits_per_weight)} bits per weight",
        ),
        *([("metric", "of the integer simulation; errors per layer are of the float one")] if integer else []),
        ("data", f"{numbers.count(evaluation.n)} samples; ranges from {evaluation.calibration}"),
        ("recipe", f"{evaluation.recipe}, evaluated in {numbers.seconds(evaluation.seconds)}"),
    ]
    width = max(len(name) for name, _ in rows)
    return [f"{name.ljust(width)}  {text}" for name, text in rows]


def _layers(layers: tuple[LayerReport, ...]) -> str:
    from qdebug.figures.numbers import decibel, three
    from qdebug.figures.text import shorten

    rows = [
        (
            shorten(layer.name, 32),
            layer.op,
            *_tensor(layer.weight),
            *_tensor(layer.activation),
            decibel(layer.output.sqnr_db),
            three(layer.output.mean_shift),
        )
        for layer in layers
    ]
    return table(
        ("layer", "operator", "format", "SQNR dB", "clipped", "format", "SQNR dB", "clipped", "SQNR dB", "shift σ"),
        rows,
        align="<<<>><>>>>",
        groups=("", "", "weight", "", "", "activation", "", "", "output", ""),
    )


def _tensor(error: ErrorSplit | None) -> tuple[str, str, str]:
    from qdebug.figures.numbers import NONE, decibel, share

    if error is None:
        return NONE, NONE, NONE
    return error.format, decibel(error.sqnr_db), share(error.clipping_rate)
