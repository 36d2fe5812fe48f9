"""What calibration data do: how many are enough, which samples set the ranges, how far evaluation data leave them."""

from __future__ import annotations

import argparse

from qdebug.cli.opening import opened
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import CalibrationCurve, Extreme, RangeSetters

SUMMARY = "how many calibration samples are enough, which set the ranges, what leaves them"
EXAMPLES = """\
  qdebug calibration digits-mobilenet --preset w8a8-pc --fix cle
  qdebug calibration digits-resnet --preset w8a4 --range percentile --subsets 10
  qdebug calibration model.onnx --data val.npz --calib train.npz --samples 500 --json"""

MOST = 12
"""Rows of a table that are printed; ``--json`` has all."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument(
        "--subsets", type=int, default=5, metavar="N", help="draws of each number of samples (default: 5)"
    )
    parser.add_argument(
        "--samples", type=int, metavar="N",
        help="evaluation samples behind each metric (default: all, or as many as keep this to minutes)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    with Reporter("loading torch") as reporter:
        session, recipe = opened(options, reporter)
        setters = session.range_setters(recipe, reporter.work)
        curve = session.calibration_curve(
            recipe, subsets=options.subsets, samples=options.samples, seed=options.seed, work=reporter.work
        )
    if options.json:
        print_json({"curve": curve, "setters": setters})
    else:
        print(f"{describe_curve(curve)}\n\n{describe_coverage(setters)}\n\n{describe_setters(setters)}")


def describe_curve(found: CalibrationCurve) -> str:
    """The curve as text, the finding first."""
    from qdebug.figures.calibration import curve_finding
    from qdebug.figures.numbers import count, metric_title, metric_value, share

    def mean(values: tuple[float, ...]) -> str:
        return share(sum(values) / len(values)) if values else "–"

    rows = [
        (
            count(point.samples), str(len(point.metrics)), metric_value(found.metric, point.mean),
            metric_value(found.metric, point.low), metric_value(found.metric, point.high), mean(point.widths),
            mean(point.narrowest),
        )
        for point in found.points
    ]  # fmt: skip
    header = ("samples", "subsets", "mean", "lowest", "highest", "median", "slowest")
    groups = ("", "", metric_title(found.metric), "", "", "width of ranges", "")
    text = table(header, rows, align=">>>>>>>", groups=groups)
    return f"{curve_finding(found)}.\n\n{text}\n\nmeasured on {count(found.n)} evaluation samples"


def describe_coverage(found: RangeSetters) -> str:
    """What leaves the ranges, worst first."""
    from qdebug.figures.calibration import coverage_finding, multiple, worst_covered
    from qdebug.figures.numbers import small_share, three
    from qdebug.figures.text import shorten

    rows = [
        (
            shorten(row.name, 32), f"{three(row.clip_min)} to {three(row.clip_max)}", small_share(row.outside),
            multiple(row.reach), "–" if row.farthest is None else str(row.farthest),
            small_share(row.outside_calibration),
        )
        for row in worst_covered(found)[:MOST]
    ]  # fmt: skip
    if not rows:
        return f"{coverage_finding(found)}."
    header = ("tensor", "calibrated range", "outside", "farthest", "sample", "calibration data outside")
    return f"{coverage_finding(found)}.\n\n" + table(header, rows, align="<>>>>>") + _more(len(found.tensors))


def describe_setters(found: RangeSetters) -> str:
    """Who sets the ranges: the samples that set most, then each range's ends."""
    from qdebug.figures.calibration import setters_finding
    from qdebug.figures.numbers import share
    from qdebug.figures.text import listed, shorten

    text = f"{setters_finding(found)}."
    if not found.tensors:
        return text
    samples = [
        (str(one.sample), one.label or "–", str(one.limits), share(one.narrower), shorten(one.narrowest, 24),
         listed(one.tensors))
        for one in found.samples
    ]  # fmt: skip
    ends = [
        (shorten(row.name, 32), *_end(row.low), *_end(row.high), share(row.narrower)) for row in found.tensors[:MOST]
    ]
    who = table(("sample", "label", "ends", "narrower without", "most", "sets ends of"), samples, align=">>>><<")
    what = table(("tensor", "lowest", "by", "highest", "by", "narrower without"), ends, align="<>>>>>")
    return f"{text}\n\n{f'{who}{chr(10) * 2}' if samples else ''}{what}{_more(len(found.tensors))}"


def _end(end: Extreme | None) -> tuple[str, str]:
    from qdebug.figures.numbers import three

    if end is None:
        return "0", "–"
    return three(end.value), "several" if end.sample is None else str(end.sample)


def _more(number: int) -> str:
    return f"\n… and {number - MOST} more (--json has all)" if number > MOST else ""
