"""Which format each layer should have under a budget: predicted, solved exactly, and confirmed by measuring."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, get_args

from qdebug.cli.opening import refuse_inputs
from qdebug.cli.options import add_model, parse_fixes
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.ranking import several
from qdebug.errors import UsageError
from qdebug.recipes import Recipe, from_plain, parse_format, save
from qdebug.results import Mixture, MixturePoint
from qdebug.results.mixture import How, Unit
from qdebug.targets import DEVICES, PLATFORMS, find_device, find_platform

if TYPE_CHECKING:
    from qdebug.search.mixed import Wish

SUMMARY = "which format each layer should have under a budget or for a largest drop"
EXAMPLES = """\
  qdebug search digits-mobilenet --max-bits 8 --fix cle
  qdebug search digits-mobilenet --max-drop 1 --fix cle -o mixed.yaml
  qdebug search pydoc-gpt --formats w16a16,w8a16,w4g32a16 --max-size 1.2 --pin 'lm_head=w8a16' --tie inputs
  qdebug search model.onnx --data val.npz --max-bits 6 --platform onnxruntime-cpu --floor 'fc*=8' --json
  qdebug search digits-vit --max-ms 0.05 --device raspberry-pi-5"""
_WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    parser.add_argument(
        "--formats", metavar="A,B", default="w16a16,w8a8-pc,w6a8-pc,w4a8-pc",
        help="what a layer may have: w8a8-pc, w4g32a16, nf4, nf4/int8-tok … (default: %(default)s)",
    )  # fmt: skip
    budget = parser.add_argument_group("budget (none: the front alone)")
    one = budget.add_mutually_exclusive_group()
    one.add_argument("--max-bits", metavar="B", type=float, help="bits per weight, of all parameters")
    one.add_argument("--max-size", metavar="MB", type=float, help="megabytes of all parameters")
    one.add_argument("--max-bops", metavar="G", type=float, help="bit-operations of a sample, in 10⁹")
    one.add_argument("--max-ms", metavar="MS", type=float, help="milliseconds of a sample on --device, an estimate")
    one.add_argument("--max-mj", metavar="MJ", type=float, help="millijoules of a sample, an estimate")
    budget.add_argument(
        "--max-drop", metavar="P", type=float,
        help="the most the metric may lose, in percent: the cheapest mixture that keeps the rest",
    )  # fmt: skip
    limits = parser.add_argument_group("constraints")
    limits.add_argument("--pin", metavar="GLOB=FORMAT", action="append", default=[], help="these have this format")
    limits.add_argument("--floor", metavar="GLOB=BITS", action="append", default=[], help="these have at least so many")
    limits.add_argument(
        "--tie", metavar="GLOB", action="append", default=[],
        help="these have one format together; 'inputs' ties layers that read one activation, such as q, k and v",
    )  # fmt: skip
    limits.add_argument("--platform", metavar="P", help=f"what has to run it: {', '.join(PLATFORMS)}")
    limits.add_argument("--device", metavar="D", help=f"whose rates: {', '.join(DEVICES)}")
    parser.add_argument("--fix", metavar="A,B", help="fixes that come first: cle,smoothquant:alpha=0.6")
    parser.add_argument(
        "--predictor", choices=get_args(How), default="additive",
        help="whether errors of layers are taken as uncorrelated, or add up and cancel as predicted",
    )  # fmt: skip
    parser.add_argument("--points", metavar="N", type=int, default=16, help="points of the front (default: 16)")
    parser.add_argument("--confirm", metavar="N", type=int, default=8, help="mixtures to measure (default: 8)")
    parser.add_argument("-o", "--output", metavar="PATH", help="write the chosen recipe, as YAML or .json")


def run(options: argparse.Namespace) -> None:
    """Search, and print the front and the choice."""
    names = several(options.formats)
    for name in names:
        parse_format(name)  # a slip of the pen is told before anything is loaded
    unit, budget = _budget(options)
    if options.output and budget is None and options.max_drop is None:
        raise UsageError("Without a budget nothing is chosen", do="Add for instance --max-bits 6 or --max-drop 1.")
    if options.output:
        refuse_inputs(options, options.output)
    with Reporter("loading torch") as reporter:
        from qdebug import session
        from qdebug.search.mixed import search

        wish = _wish(options, names, unit, budget)
        opened = session.open(options.model, options.data, options.calib, work=reporter.work)
        found = search(opened, wish, points=options.points, confirm=options.confirm, work=reporter.work)
    if options.output:
        if found.chosen is None:
            raise UsageError("Nothing was chosen, so nothing is written", do=found.words)
        save(from_plain(found.front[found.chosen].recipe), options.output)
    print_json(found) if options.json else print(describe(found))


def _budget(options: argparse.Namespace) -> tuple[Unit, float | None]:
    given: tuple[tuple[Unit, float | None, float], ...] = (
        ("bits", options.max_bits, 1.0), ("bytes", options.max_size, 1e6), ("bops", options.max_bops, 1e9),
        ("seconds", options.max_ms, 1e-3), ("joules", options.max_mj, 1e-3),
    )  # fmt: skip
    for unit, value, factor in given:
        if value is not None:
            return unit, value * factor
    return "bits", None


def _wish(options: argparse.Namespace, names: tuple[str, ...], unit: Unit, budget: float | None) -> Wish:
    from qdebug.search.mixed.wish import Wish, formats_of

    return Wish(
        formats=formats_of(names), recipe=Recipe(fixes=parse_fixes(options.fix) if options.fix else ()), unit=unit,
        budget=budget, max_drop=None if options.max_drop is None else options.max_drop / 100,
        pins=tuple(_pair("--pin", one) for one in options.pin),
        floors=tuple((pattern, _bits(bits)) for pattern, bits in (_pair("--floor", one) for one in options.floor)),
        ties=tuple(options.tie), platform=find_platform(options.platform) if options.platform else None,
        device=find_device(options.device) if options.device else None, how=options.predictor,
    )  # fmt: skip


def _pair(option: str, text: str) -> tuple[str, str]:
    pattern, equals, value = text.rpartition("=")
    if not equals or not pattern or not value:
        raise UsageError(f"{option} '{text}' has no '='", do=f"Write for instance {option} 'blocks.0.*=…'.")
    return pattern, value


def _bits(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--floor wants a number of bits, not '{text}'", do="Write for instance 'fc*=8'.") from None


def describe(found: Mixture) -> str:
    """The outcome as text: the choice first, then the front."""
    parts = [textwrap.fill(f"{found.model}: {found.words}", _WIDTH), "", _front(found)]
    if found.unpredicted:
        parts += ["", f"Not predicted, and left as wide as may be: {', '.join(found.unpredicted)}."]
    return "\n".join(parts)


def _front(found: Mixture) -> str:
    from qdebug.figures import numbers

    columns = tuple(f"#{name}" for name in found.formats)
    own = _UNITS.get(found.unit)
    rows = [
        (
            "→" if place == found.chosen else "",
            *((numbers.three(point.cost * own[1]),) if own else ()),
            f"{point.bits_per_weight:.2f}", numbers.size(point.bytes), numbers.three(point.predicted),
            numbers.three(point.confirmed), _metric(point), *map(str, point.formats),
            "one format" if point.origin == "uniform" else "",
        )
        for place, point in enumerate(found.front)
    ]  # fmt: skip
    header = ("", *((own[0],) if own else ()), "bits", "size", "predicted", "measured", "metric", *columns, "")
    return table(header, rows, align="<" + ">" * (len(header) - 2) + "<")


_UNITS: dict[str, tuple[str, float]] = {"bops": ("GBOPs", 1e-9), "seconds": ("ms", 1e3), "joules": ("mJ", 1e3)}


def _metric(point: MixturePoint) -> str:
    from qdebug.figures import numbers

    return numbers.metric_value(point.metric.name, point.metric.quantized) if point.metric else numbers.NONE
