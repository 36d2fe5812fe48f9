"""Every number format on one layer's weights or inputs: error, bits, what a rotation would gain, the limit."""

from __future__ import annotations

import argparse

from qdebug.cli.opening import just_opened
from qdebug.cli.options import add_model, parse_fixes
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.errors import UsageError
from qdebug.recipes import Recipe
from qdebug.results import DISTRIBUTIONS, FormatComparison, Values

SUMMARY = "every number format on one layer's values"
EXAMPLES = """\
  qdebug compare-formats pydoc-gpt blocks.0.mlp.fc1
  qdebug compare-formats pydoc-gpt blocks.0.mlp.fc1 --tensor activation --json
  qdebug compare-formats --distribution laplace"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser, needed=False)
    parser.add_argument("layer", metavar="LAYER", nargs="?", default="", help="a layer that 'qdebug inspect' lists")
    parser.add_argument("--tensor", choices=("weight", "activation"), default="weight", help="of the layer")
    parser.add_argument("--distribution", choices=tuple(DISTRIBUTIONS), default="", help="instead of a layer")
    parser.add_argument("--fix", metavar="A,B", help="fixes that are applied to the float model first")


def run(options: argparse.Namespace) -> None:
    """Compare and print, the least error first."""
    if options.layer and options.distribution:
        raise UsageError("Both a layer and a --distribution are named", do="Leave one of them out.")
    if not (options.layer or options.distribution):
        raise UsageError("Name a model and its layer, or a --distribution", do="See qdebug compare-formats --help.")
    fixes = () if options.fix is None else parse_fixes(options.fix)
    values = Values(layer=options.layer, tensor=options.tensor, distribution=options.distribution)
    with Reporter("loading torch") as reporter:
        from qdebug.session.contest import compare_distribution

        if options.distribution:
            found = compare_distribution(options.distribution, options.tensor, reporter.work)
        else:
            opened = just_opened(options, reporter)
            found = opened.compare_formats(values, Recipe(fixes=fixes), reporter.work)
    print_json(found) if options.json else print(describe(found))


def describe(found: FormatComparison) -> str:
    """The comparison as text, the findings first."""
    from qdebug.figures.crest import crest_finding
    from qdebug.figures.formats import at_rate, ranking_finding, rate_finding
    from qdebug.figures.numbers import NONE, decibel, three

    def cell(value: float | None) -> str:
        return NONE if value is None else decibel(value)

    rows = [
        (row.notation, row.family, three(row.bits), cell(row.sqnr_db), cell(row.rotated_sqnr_db),
         cell(at_rate(found.limit, row.bits) if found.limit and row.bits <= found.limit[-1][0] else None))
        for row in found.rows
    ]  # fmt: skip
    return "\n".join([
        f"{ranking_finding(found)}.", f"{rate_finding(found)}.", f"{crest_finding(found.crests)}.", "",
        table(("format", "family", "bits", "SQNR dB", "rotated", "limit"), rows, align="<<>>>>"),
    ])  # fmt: skip
