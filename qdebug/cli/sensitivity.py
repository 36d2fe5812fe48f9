"""What each layer's quantization alone does to the output: predicted for all at once, or measured one by one."""

from __future__ import annotations

import argparse
from typing import get_args

from qdebug.cli.options import add_model, parse_fixes
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.ranking import several
from qdebug.errors import UsageError
from qdebug.recipes import Recipe, parse_format
from qdebug.results import Sensitivity, SensitivityRow
from qdebug.results.sensitivity import Measure, Mode

SUMMARY = "which layer hurts in which format, predicted in a few passes or measured one by one"
EXAMPLES = """\
  qdebug sensitivity digits-mobilenet
  qdebug sensitivity digits-mobilenet --formats w8a8,w4a8,nf4,fp8_e4m3fn/fp8_e4m3fn --mode exact
  qdebug sensitivity pydoc-gpt --formats w4g32a16,w8a8 --measure kl --json
  qdebug sensitivity model.onnx --data val.npz --fix cle --formats w8a8"""
FORMATS = "w8a8,w4a8"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    parser.add_argument(
        "--formats", metavar="A,B", default=FORMATS,
        help=f"w8a8, w4g32a16, nf4 (weights alone), nf4/int8-tok … (default: {FORMATS})",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=get_args(Mode), default="predict",
        help="predict: all at once, in a few passes; exact: measured too, one by one, most harmful first",
    )  # fmt: skip
    parser.add_argument(
        "--measure", choices=get_args(Measure)[:2], default="squared",
        help="the output's squared change, or the Kullback-Leibler divergence of its softmax (predicted only)",
    )  # fmt: skip
    parser.add_argument("--fix", metavar="A,B", help="fixes that come first: cle,smoothquant:alpha=0.6")


def run(options: argparse.Namespace) -> None:
    """Predict, or measure, and print the ranking."""
    formats = several(options.formats)
    for name in formats:
        parse_format(name)  # a slip of the pen is told before anything is loaded
    if not formats:
        raise UsageError("--formats names none", do=f"Write for instance --formats {FORMATS}.")
    if options.mode == "exact" and options.measure != "squared":
        raise UsageError("The divergence is predicted, not measured", do="Leave out --measure, or --mode exact.")
    recipe = Recipe(fixes=parse_fixes(options.fix) if options.fix else ())
    with Reporter("loading torch") as reporter:
        from qdebug import session
        from qdebug.search.sensitivity import Question, sensitivity

        opened = session.open(options.model, options.data, options.calib, work=reporter.work)
        question = Question.of(formats, recipe, options.measure)
        found = sensitivity(opened, question, options.mode, work=reporter.work)
    print_json(found) if options.json else print(describe(found))


def describe(found: Sensitivity) -> str:
    """The ranking as text: the finding first, then a table for each format, most harmful layers first."""
    from qdebug.figures.sensitivity import finding

    parts = [f"{found.model}: {finding(found)}."]
    parts += ["", *_facts(found)]
    for name in found.formats:
        parts += ["", _table(found, name)]
    return "\n".join(parts)


def _facts(found: Sensitivity) -> list[str]:
    from qdebug.figures import numbers

    passes = found.seconds / found.forward_seconds if found.forward_seconds else 0.0
    words = {
        "squared": "squared change of the output, per sample",
        "kl": "Kullback-Leibler divergence of the output, nats per sample",
        "task": "change of the loss",
    }[found.measure]
    return [
        f"error    {words}; everything but the layer is float",
        f"data     {numbers.count(found.n)} of {numbers.count(found.of)} samples",
        f"took     {numbers.seconds(found.seconds)}, {numbers.three(passes)} float passes",
    ]


def _table(found: Sensitivity, name: str) -> str:
    from qdebug.figures.text import shorten

    measured = found.mode == "exact"
    rows = sorted(found.of_format(name), key=_harm)
    lines = [(shorten(row.layer, 40), *_cells(row, measured)) for row in rows]
    header = ("layer", "predicted", "weight", "input", *(("measured", "metric") if measured else ()), "")
    return f"{name}\n" + table(header, lines, align="<" + ">" * (len(header) - 2) + "<")


def _harm(row: SensitivityRow) -> float:
    known = row.exact if row.exact is not None else row.predicted
    return float("inf") if known is None else -known


def _cells(row: SensitivityRow, measured: bool) -> tuple[str, ...]:
    from qdebug.figures.numbers import three

    cells = [three(value) for value in (row.predicted, row.weight, row.activation)]
    if measured:
        cells += [three(row.exact), three(row.metric)]
    return (*cells, row.refused or ("outside the linear regime" if row.linear is False else ""))
