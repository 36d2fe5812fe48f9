"""Two recipes side by side: which does better and by how much, the layers that differ, the answers that changed."""

from __future__ import annotations

import argparse
import textwrap

import msgspec

from qdebug.cli.opening import just_opened
from qdebug.cli.options import add_model
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.sides import parse_side
from qdebug.errors import UsageError
from qdebug.results import Comparison, Flips, LayerDifference, LayerSide

SUMMARY = "two recipes side by side: difference, layers, changed answers, classes and groups"
EXAMPLES = """\
  qdebug compare digits-mobilenet float w8a8
  qdebug compare digits-mobilenet w8a8 w8a8+cle+bias-correction --json
  qdebug compare digits-longtail w8a8 w4a8 --direction lost --flips 20
  qdebug compare model.onnx before.yaml after.yaml --data val.npz --calib train.npz"""
MOST = 96
GROUPS = 12
_WIDTH = 110
_WAYS = ("lost", "gained", "other")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    for name in ("a", "b"):
        parser.add_argument(
            name, metavar=name.upper(),
            help="float, a preset (with fixes behind it: w8a8+cle+bias-correction), a recipe file, or own: the recipe "
            "in a quantized .onnx file",
        )  # fmt: skip
    parser.add_argument("--flips", metavar="N", type=int, default=8, help=f"answers that are shown, 0 to {MOST}; 8")
    parser.add_argument(
        "--direction", choices=_WAYS, help="only answers right in A alone (lost), in B alone (gained), in neither"
    )


def run(options: argparse.Namespace) -> None:
    """Compare and print."""
    if not 0 <= options.flips <= MOST:
        raise UsageError(f"--flips {options.flips}", do=f"Give 0 to {MOST}.")
    for side in (options.a, options.b):  # a slip of the pen is told before anything is loaded
        parse_side(side, is_open=False)
    with Reporter("loading torch") as reporter:
        opened = just_opened(options, reporter)
        a, b = (parse_side(side, opened.own_recipe()) for side in (options.a, options.b))
        found = opened.compare(a, b, reporter.work)
        flips = opened.flips(a, b, options.direction, most=max(1, options.flips), work=reporter.work)
    found = msgspec.structs.replace(
        found, a=msgspec.structs.replace(found.a, name=options.a), b=msgspec.structs.replace(found.b, name=options.b)
    )
    flips = msgspec.structs.replace(flips, rows=flips.rows[: options.flips])
    if options.json:
        print_json(msgspec.to_builtins(found) | {"flips": msgspec.to_builtins(flips)})
    else:
        print(describe(found, flips))


def describe(found: Comparison, flips: Flips) -> str:
    """The comparison as text, the finding first."""
    from qdebug.figures.comparison import comparison_finding, flips_finding, groups_finding, layers_finding

    between = [f"A: {a}; B: {b}." for a, b in found.between]
    parts = [
        f"{found.model}, A {found.a.name} and B {found.b.name}",
        textwrap.fill(f"{comparison_finding(found)}.", _WIDTH), "",
        _sides(found), "",
        f"{layers_finding(found)}.", *between, *([_layers(found.layers)] if found.layers else []), "",
        f"{flips_finding(flips.counts, flips.unit, flips.reference, flips.predictions)}.",
        *([_flips(flips)] if flips.rows else []),
    ]  # fmt: skip
    if found.groups:
        parts += ["", f"{groups_finding(found)}.", _groups(found)]
    return "\n".join(parts)


def _sides(found: Comparison) -> str:
    from qdebug.figures import numbers

    rows = [
        (letter, side.name, numbers.metric_value(side.metric.name, side.metric.quantized),
         f"{numbers.count(side.metric.flips)} of {numbers.count(side.metric.predictions)}",
         numbers.size(side.size.quantized_bytes), numbers.three(side.size.bits_per_weight))
        for letter, side in (("A", found.a), ("B", found.b))
    ]  # fmt: skip
    title = numbers.metric_title(found.difference.name)
    return table(("", "recipe", title, "unlike float", "size", "bits per weight"), rows, align="<<>>>>")


def _layers(layers: tuple[LayerDifference, ...]) -> str:
    from qdebug.figures.numbers import decibel
    from qdebug.figures.text import shorten

    def said(side: LayerSide) -> str:
        formats = [side.weight, *([] if side.activation is None else [side.activation])]
        return ", ".join([" / ".join(formats), *side.more, *side.fixes])

    rows = [
        (shorten(layer.name, 32), said(layer.a), said(layer.b), decibel(layer.a.output_sqnr_db),
         decibel(layer.b.output_sqnr_db))
        for layer in layers
    ]  # fmt: skip
    return table(("layer", "A", "B", "A", "B"), rows, align="<<<>>", groups=("", "weight / input", "", "output dB", ""))


def _flips(flips: Flips) -> str:
    from qdebug.figures.comparison import direction_words, margin_words
    from qdebug.figures.numbers import NONE

    def number(value: int | None) -> str:
        return NONE if value is None else "NaN" if value < 0 else str(value)

    rows = []
    for row in flips.rows:
        place = str(row.sample) if row.position is None else f"{row.sample}:{row.position}"
        words = direction_words(row.direction, flips.unit, flips.reference)
        said = (row.text.target, row.text.a, row.text.b) if row.text else tuple(map(number, (row.target, row.a, row.b)))
        rows.append((place, words, *said, *margin_words(row), row.text.before if row.text else row.group))
    right = "label" if flips.reference == "labels" else "float"
    of = ("error A", "error B") if flips.unit in ("image", "output") else ("margin A", "margin B")
    return table(("sample", "", right, "A", "B", *of, ""), rows, align="<<>>>>><")


def _groups(found: Comparison) -> str:
    from qdebug.figures.comparison import change_words, furthest_first, interval_words
    from qdebug.figures.numbers import count, metric_value
    from qdebug.figures.subgroups import p_words
    from qdebug.figures.text import shorten

    ordered = furthest_first(found.groups)
    rows = [
        (row.key, shorten(row.name, 32), count(row.difference.n), metric_value(row.difference.name, row.difference.a),
         metric_value(row.difference.name, row.difference.b), change_words(row.difference),
         interval_words(row.difference), p_words(row.difference.p))
        for row in ordered[:GROUPS]
    ]  # fmt: skip
    rest = len(ordered) - GROUPS
    note = f"\n… and {rest} more that changed less (--json has all)" if rest > 0 else ""
    header = ("", "", "samples", "A", "B", "B − A", "95 % interval", "adjusted p")
    return table(header, rows, align="<<>>>>>>") + note
