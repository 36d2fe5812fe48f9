"""The number formats: bits, reach, who runs them, where they are defined, and the test that holds us to that."""

from __future__ import annotations

import argparse

import msgspec

from qdebug.cli.output import print_json, table
from qdebug.errors import RecipeError, near
from qdebug.formats import FORMATS, SpecCard, card, facts, number, split_name
from qdebug.recipes import parse_weight_format

SUMMARY = "the number formats and their spec cards"
EXAMPLES = """\
  qdebug formats
  qdebug formats nvfp4
  qdebug formats --json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="one format's name, for its whole card")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(options: argparse.Namespace) -> None:
    """Print the cards, or one."""
    found = [card(FORMATS[_known(options.name)])] if options.name else [card(form) for form in FORMATS.values()]
    if options.json:
        print_json({"formats": [msgspec.to_builtins(one) for one in found]})
    elif options.name:
        print(describe(found[0]))
    else:
        print(listing(tuple(found)))


def _known(text: str) -> str:
    found = split_name(text.strip().lower())
    if found is not None and found[1]:
        parse_weight_format(text)  # a notation such as int4g32: the card is that of its format
    if found is None:
        raise RecipeError(f"Unknown number format '{text}'", do=near(text, FORMATS))
    return found[0]


def listing(cards: tuple[SpecCard, ...]) -> str:
    """All cards in a line each."""
    rows = [
        (one.name, one.family, f"{one.bits:g}", f"{one.bits_per_weight:g}", number(one.largest) if one.largest else "–",
         str(len(one.points)) if one.points else "–", one.scales)
        for one in cards
    ]  # fmt: skip
    header = ("format", "family", "bits", "per weight", "largest", "points", "what shares a scale")
    return table(header, rows, align="<<>>>><")


def describe(one: SpecCard) -> str:
    """A card in full."""
    said = facts(one) | ({"code points": " ".join(f"{point:g}" for point in one.points)} if one.points else {})
    width = max(map(len, said))
    return "\n".join([one.name, *(f"  {key.ljust(width)}  {value}" for key, value in said.items())])
