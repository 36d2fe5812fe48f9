"""What each layer's quantization alone does to the output: predicted for all at once, or measured one by one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from qdebug.cli.opening import just_opened
from qdebug.cli.options import add_model, parse_fixes
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.ranking import several
from qdebug.errors import UsageError
from qdebug.recipes import Recipe, parse_format
from qdebug.results import ModelRef, Sensitivity, SensitivityRow
from qdebug.results.sensitivity import Measure, Mode

if TYPE_CHECKING:
    from qdebug.search.sweep.journal import Journal

SUMMARY = "which layer hurts in which format, predicted in a few passes or measured one by one"
EXAMPLES = """\
  qdebug sensitivity digits-mobilenet
  qdebug sensitivity digits-mobilenet --formats w8a8,w4a8,nf4,fp8_e4m3fn/fp8_e4m3fn --mode exact
  qdebug sensitivity digits-vit --mode exact --until order --cores 4
  qdebug sensitivity digits-resnet --formats w4a8 --mode exact --worst 3 --leave-one-out
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
        "--measure", choices=get_args(Measure), default="squared",
        help="the output's squared change, the Kullback-Leibler divergence of its softmax, or the change of the loss",
    )  # fmt: skip
    parser.add_argument("--fix", metavar="A,B", help="fixes that come first: cle,smoothquant:alpha=0.6")
    _add_sweep(parser.add_argument_group("with --mode exact"))


def _add_sweep(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--until", choices=("all", "order"), default="all",
        help="all: every layer on all data; order: only until the order of layers within each format is settled",
    )  # fmt: skip
    group.add_argument(
        "--confidence", type=float, default=0.95, metavar="P", help="how sure the order has to be (default: 0.95)"
    )
    group.add_argument(
        "--worst", type=int, default=0, metavar="N",
        help="only so many layers of each format, those predicted to be the most harmful (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--leave-one-out", action="store_true", help="also all layers quantized, and all but one, for each layer"
    )
    group.add_argument(
        "--cores", type=int, metavar="N", help="worker processes (default: 1, none but this one; on a cluster all)"
    )
    group.add_argument(
        "--cluster", metavar="ADDRESS", help="a Ray cluster: auto, or its address (needs pip install 'qdebug[ray]')"
    )
    kept = group.add_mutually_exclusive_group()
    kept.add_argument(
        "--resume", action="store_true", help="go on from what was measured before; so it is unless --no-journal"
    )
    kept.add_argument("--no-journal", action="store_true", help="measure all of it, and keep nothing on disk")


def run(options: argparse.Namespace) -> None:
    """Predict, or measure, and print the ranking."""
    formats = several(options.formats)
    for name in formats:
        parse_format(name)  # a slip of the pen is told before anything is loaded
    if not formats:
        raise UsageError("--formats names none", do=f"Write for instance --formats {FORMATS}.")
    recipe = Recipe(fixes=parse_fixes(options.fix) if options.fix else ())
    _refuse_idle(options)
    with Reporter("loading torch") as reporter:
        from qdebug.search.sensitivity import Question, sensitivity
        from qdebug.search.sweep.plan import How

        how, journal = How(), None
        if options.mode == "exact":
            journal = None if options.no_journal else _journal(reporter)
            ref = ModelRef(
                model=options.model, data=options.data, calib=options.calib, train=options.train, metric=options.metric,
                window=options.window, tokens=options.tokens,
            )  # fmt: skip
            how = How(
                until=options.until, confidence=options.confidence, leave_one_out=options.leave_one_out,
                worst=options.worst, cores=options.cores if options.cores is not None else 0 if options.cluster else 1,
                cluster=options.cluster, ref=ref, journal=journal,
            )  # fmt: skip
            how.check(strange=False)
        opened = just_opened(options, reporter)
        question = Question.of(formats, recipe, options.measure)
        told = _Told(reporter)
        try:
            found = sensitivity(opened, question, options.mode, how=how, show=told, work=reporter.work)
        except KeyboardInterrupt:
            if journal is not None and told.measures:
                reporter.say("what was measured is kept; the same command goes on from there")
            raise
        finally:
            if journal is not None:
                journal.close()
    print_json(found) if options.json else print(describe(found))


def _refuse_idle(options: argparse.Namespace) -> None:
    """Refuse options of the measurement where nothing is measured."""
    given = {
        "--until": options.until != "all", "--worst": options.worst, "--leave-one-out": options.leave_one_out,
        "--cores": options.cores,
        "--cluster": options.cluster, "--resume": options.resume, "--no-journal": options.no_journal,
    }  # fmt: skip
    for name, value in given.items():
        if value and options.mode != "exact":
            raise UsageError(f"{name} is about measuring, and nothing is measured", do="Add --mode exact.")


def _journal(reporter: Reporter) -> Journal:
    from qdebug.search.sweep.journal import Journal

    journal = Journal()
    if journal.set_aside is not None:
        reporter.say(f"the journal was damaged, and is now {journal.set_aside}")
    return journal


class _Told:
    """Says once, before it starts, what measuring costs."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self.measures = reporter, False

    def __call__(self, found: Sensitivity) -> None:
        """Gets what is known so far."""
        if found.plan is None or self.measures:
            return
        self.measures = True
        from qdebug.figures.sensitivity import cost
        from qdebug.figures.text import plural

        self._reporter.say(f"measuring {plural(found.plan.items, 'recipe')} takes {cost(found.plan)}")


def describe(found: Sensitivity) -> str:
    """The ranking as text: the finding first, then a table for each format, most harmful layers first."""
    from qdebug.figures.numbers import three
    from qdebug.figures.sensitivity import finding

    parts = [f"{found.model}: {finding(found)}."]
    parts += ["", *_facts(found)]
    for name in found.formats:
        parts += ["", _table(found, name)]
        parts += [
            f"all layers: {three(one.exact)}, metric {three(one.metric)}" for one in found.whole if one.format == name
        ]
    return "\n".join(parts)


def _facts(found: Sensitivity) -> list[str]:
    from qdebug.figures import numbers
    from qdebug.figures.sensitivity import sure, unit

    passes = found.seconds / found.forward_seconds if found.forward_seconds else 0.0
    return [
        f"error    {unit(found)}; everything but the layer is float",
        f"data     {numbers.count(found.n)} of {numbers.count(found.of)} samples",
        f"took     {numbers.seconds(found.seconds)}, {numbers.three(passes)} float passes",
        *([f"order    {sure(found.order)}"] if found.order else []),
    ]


def _table(found: Sensitivity, name: str) -> str:
    from qdebug.figures.text import shorten

    measured, left_out = found.mode == "exact", bool(found.whole)
    rows = sorted(found.of_format(name), key=_harm)
    lines = [(shorten(row.layer, 40), *_cells(row, measured, left_out)) for row in rows]
    header = (
        "layer",
        "predicted",
        "weight",
        "input",
        *(("measured", "±", "samples", "metric") if measured else ()),
        *(("without", "gain", "±", "metric") if left_out else ()),
        "",
    )
    return f"{name}\n" + table(header, lines, align="<" + ">" * (len(header) - 2) + "<")


def _harm(row: SensitivityRow) -> float:
    known = row.exact if row.exact is not None else row.predicted
    return float("inf") if known is None else -known


def _cells(row: SensitivityRow, measured: bool, left_out: bool) -> tuple[str, ...]:
    from qdebug.figures.numbers import count, three

    cells = [three(value) for value in (row.predicted, row.weight, row.activation)]
    if measured:
        cells += [three(row.exact), _half(row.exact_ci95), count(row.n) if row.n else "", three(row.metric)]
    if left_out:
        cells += [three(row.without), three(row.gain), _half(row.gain_ci95), three(row.without_metric)]
    return (*cells, row.refused or "; ".join(_marks(row)))


def _marks(row: SensitivityRow) -> list[str]:
    from qdebug.figures.sensitivity import awaited

    regime = ["outside the linear regime"] if row.linear is False else []
    return [*regime, *([awaited(row)] if row.awaits_heavy else [])]


def _half(interval: tuple[float, float] | None) -> str:
    """Half the width of an interval; nothing where there is none."""
    from qdebug.figures.numbers import three

    return three((interval[1] - interval[0]) / 2) if interval and interval[1] > interval[0] else ""
