"""The clip range that each range method would choose for a layer's input after 1, 2, 4 … calibration samples."""

from __future__ import annotations

import argparse

from qdebug.cli.opening import just_opened
from qdebug.cli.options import add_model, add_recipe, base_recipe, with_layers
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import Convergence

SUMMARY = "how soon the clip range of a layer's input settles, by range method"
EXAMPLES = """\
  qdebug ranges digits-mobilenet blocks.2.dw
  qdebug ranges pydoc-gpt lm_head --activation-format int4 --json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    parser.add_argument("layer", metavar="LAYER", help="a layer that 'qdebug inspect' lists")
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """Calibrate the layer's input and print the ranges."""
    recipe = base_recipe(options)
    with Reporter("loading torch") as reporter:
        opened = just_opened(options, reporter)
        recipe = with_layers(recipe, options, opened.info().layers)
        found = opened.range_convergence(recipe, options.layer, reporter.work)
        kinds = {layer.name: layer.kind for layer in opened.info().layers}
        plan = recipe.plan_for(options.layer, kinds[options.layer]).activation
    if options.json:
        print_json(found)
        return
    if plan.label != found.format:
        print(f"{plan.label} takes no calibrated range here; the ranges are those for {found.format}.")
    print(describe(found, plan.range))


def describe(found: Convergence, method: str) -> str:
    """The ranges as text, the finding first."""
    from qdebug.figures.numbers import three
    from qdebug.figures.settling import WORDS, settling_finding

    rows = [
        (WORDS[row.method], *(f"{three(low)} … {three(high)}" for low, high in zip(row.low, row.high, strict=True)),
         str(row.settled))
        for row in found.methods
    ]  # fmt: skip
    header = ("method", *(f"after {count}" for count in found.samples), "settled at")
    return f"{settling_finding(found, method)}.\n\n" + table(header, rows, align="<" + ">" * (len(header) - 1))
