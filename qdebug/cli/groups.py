"""What differs from group to group of the data: the metric, the layers' ranges, calibration on some groups alone."""

from __future__ import annotations

import argparse
import textwrap

from qdebug.cli import subgroups
from qdebug.cli.opening import opened
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.errors import UsageError
from qdebug.results import GroupCalibration, GroupRanges

SUMMARY = "metric, ranges and calibration by group of the data, such as by timestep"
EXAMPLES = """\
  qdebug groups digits-ddpm --preset w8a6
  qdebug groups digits-ddpm --preset w8a5 --take 5=24,15=24 --json
  qdebug groups model.onnx --data val.npz --calib train.npz"""
MOST = 20
"""Rows of a table that are printed; ``--json`` has all."""
_WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument(
        "--take", metavar="G=N,…", help="calibrate on so many samples of these groups too, beside the usual choices"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    take = parse_take(options.take)
    with Reporter("loading torch") as reporter:
        session, recipe = opened(options, reporter)
        metric = session.subgroups(recipe, reporter.work)
        ranges = session.group_ranges(recipe, reporter.work)
        calibration = session.group_calibration(recipe, take=take, seed=options.seed, work=reporter.work)
    if options.json:
        print_json({"metric": metric, "ranges": ranges, "calibration": calibration})
        return
    rows = subgroups.describe(metric.overall, metric.rows) if metric.rows else [metric.left_out or "No two groups."]
    print("\n".join([*rows, "", describe_ranges(ranges), "", describe_calibration(calibration)]))


def parse_take(text: str | None) -> dict[str, int]:
    """``5=24,15=24`` as numbers of samples by group.

    Raises:
        UsageError: it is not written so.
    """
    found: dict[str, int] = {}
    for part in text.split(",") if text else ():
        name, equals, count = part.rpartition("=")
        if not equals or not name or not count.isdecimal():
            raise UsageError(f"--take cannot read '{part}'", do="Write group=samples, such as 5=24,15=24.")
        found[name] = int(count)
    return found


def describe_ranges(found: GroupRanges) -> str:
    """The widths of the ranges by group, those that change most first."""
    from qdebug.figures.grouped import ranges_finding
    from qdebug.figures.numbers import three, times
    from qdebug.figures.text import shorten

    if not found.groups:
        return f"{found.left_out}."
    places = _spread(len(found.groups))
    ordered = sorted(found.tensors, key=lambda one: -one.drift)
    rows = [
        (shorten(one.name, 24), times(one.drift), *(three(one.groups[place].width) for place in places))
        for one in ordered[:MOST]
    ]
    header = ("width of the input of", "widest/narrowest", *(shorten(found.groups[place], 10) for place in places))
    return _filled(ranges_finding(found)) + "\n\n" + table(header, rows, align="<>" + ">" * len(places))


def describe_calibration(found: GroupCalibration) -> str:
    """The metric by choice of calibration samples."""
    from qdebug.figures.grouped import calibration_finding, way_words
    from qdebug.figures.numbers import metric_title, metric_value
    from qdebug.figures.text import shorten

    if not found.ways:
        return f"{found.left_out}."
    places = _spread(len(found.evaluated))

    def said(value: float) -> str:
        return metric_value(found.metric, value)

    rows = [("float", "", said(found.float_value), *(said(found.float_by_group[place]) for place in places))]
    rows += [
        (way_words(found, way), str(way.samples), said(way.metric), *(said(way.by_group[place]) for place in places))
        for way in found.ways[:MOST]
    ]
    header = ("calibrated on", "samples", "all data", *(shorten(found.evaluated[place], 10) for place in places))
    note = f"{metric_title(found.metric)}; where samples were drawn, the mean of {found.draws} draws"
    text = table(header, rows, align="<>>" + ">" * len(places))
    return f"{_filled(calibration_finding(found))}\n\n{text}\n\n{note}"


def _spread(count: int, most: int = 8) -> list[int]:
    """Places of at most so many columns, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(at * (count - 1) / (most - 1)) for at in range(most)})


def _filled(sentence: str) -> str:
    return textwrap.fill(f"{sentence}.", _WIDTH)
