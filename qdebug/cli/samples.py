"""The sample models that come with qdebug, and the story each of them tells."""

from __future__ import annotations

import argparse
import textwrap

from qdebug.cli.output import print_json
from qdebug.cli.progress import Reporter
from qdebug.results import SampleCard

SUMMARY = "the sample models and their stories"
EXAMPLES = """\
  qdebug samples
  qdebug samples --json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(options: argparse.Namespace) -> None:
    """Print the cards."""
    with Reporter("reading the cards"):
        from qdebug.session import samples

        cards = samples()
    if options.json:
        print_json({"samples": cards})
    else:
        print("\n\n".join(map(describe, cards)))


def describe(card: SampleCard) -> str:
    """A card as text: name and title, task and size, story."""
    from qdebug.figures.numbers import count, metric_title, metric_value

    metric = f"{metric_title(card.metric)} {metric_value(card.metric, card.float_metric)}"
    facts = f"{card.task}, {count(card.params)} parameters, {metric}"
    return f"{card.name}: {card.title}\n  {facts}\n" + textwrap.fill(
        card.story, 100, initial_indent="  ", subsequent_indent="  "
    )
