"""Which format each layer should have under a budget: predicted, solved exactly, and confirmed by measuring."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import msgspec

from qdebug.cli.opening import just_opened, refuse_inputs
from qdebug.cli.options import add_model, parse_fixes
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.cli.ranking import several
from qdebug.errors import UsageError
from qdebug.formats import find
from qdebug.recipes import FLOAT, LayerPlan, Recipe, from_plain, parse_activation_format, parse_format, save
from qdebug.results import Latency, Mixture, MixturePoint
from qdebug.results.mixture import How, Judge, Unit
from qdebug.targets import DEVICES, HERE, PLATFORMS, find_device, find_platform

if TYPE_CHECKING:
    from qdebug.search.mixed import Wish
    from qdebug.search.mixed.wish import Times
    from qdebug.session import Session

SUMMARY = "which format each layer should have under a budget or for a largest drop"
EXAMPLES = """\
  qdebug search digits-mobilenet --max-bits 8 --fix cle
  qdebug search digits-mobilenet --max-drop 1 --fix cle -o mixed.yaml
  qdebug search pydoc-gpt --formats w16a16,w8a16,w4g32a16 --max-size 1.2 --pin 'lm_head=w8a16' --tie inputs
  qdebug search model.onnx --data val.npz --max-bits 6 --platform onnxruntime-cpu --floor 'fc*=8' --json
  qdebug search digits-vit --max-ms 0.05 --device raspberry-pi-5
  qdebug search digits-vit --max-ms 0.9x --device here --formats w32a32,w8a8-pc-all
  qdebug search digits-longtail --max-drop 2 --judge-by worst-group"""
_WIDTH = 110
_FORMATS, _TIMED = "w16a16,w8a8-pc,w6a8-pc,w4a8-pc", "w32a32,w8a8-pc,w4g32a16"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    parser.add_argument(
        "--formats", metavar="A,B",
        help="what a layer may have: w8a8-pc, w4g32a16, nf4, nf4/int8-tok …; w8a8-pc-all also puts activations between "
        f"layers into int8 (default: {_FORMATS}; with --device here {_TIMED})",
    )  # fmt: skip
    parser.add_argument("--between", metavar="FORMAT", help="activations between layers: int8, or float unless said")
    budget = parser.add_argument_group("budget (none: the front alone); 0.5x is half of what the float model costs")
    one = budget.add_mutually_exclusive_group()
    one.add_argument("--max-bits", metavar="B", help="bits per weight, of all parameters")
    one.add_argument("--max-size", metavar="MB", help="megabytes of all parameters")
    one.add_argument("--max-bops", metavar="G", help="bit-operations of a sample, in 10⁹")
    one.add_argument(
        "--max-ms", metavar="MS",
        help="milliseconds of a sample: on --device, an estimate; or with --device here the sum of its layers' times",
    )  # fmt: skip
    one.add_argument("--max-mj", metavar="MJ", help="millijoules of a sample, an estimate")
    budget.add_argument(
        "--max-drop", metavar="P", type=float,
        help="the most the metric may lose, in percent: the cheapest mixture that keeps the rest",
    )  # fmt: skip
    budget.add_argument(
        "--judge-by", choices=get_args(Judge), default="mean",
        help="whose error is minimized and whose drop is limited: of all samples, or of the worst class or group",
    )  # fmt: skip
    limits = parser.add_argument_group("constraints")
    limits.add_argument("--pin", metavar="GLOB=FORMAT", action="append", default=[], help="these have this format")
    limits.add_argument("--floor", metavar="GLOB=BITS", action="append", default=[], help="these have at least so many")
    limits.add_argument(
        "--tie", metavar="GLOB", action="append", default=[],
        help="these have one format together; 'inputs' ties layers that read one activation, such as q, k and v",
    )  # fmt: skip
    limits.add_argument("--platform", metavar="P", help=f"what has to run it: {', '.join(PLATFORMS)}")
    limits.add_argument(
        "--device", metavar="D",
        help=f"whose rates: {', '.join(DEVICES)}; or {HERE}: layers are timed in ONNX Runtime on this machine",
    )  # fmt: skip
    limits.add_argument("--threads", metavar="N", type=int, default=1, help=f"with --device {HERE} (default: 1)")
    limits.add_argument("--no-journal", action="store_true", help="neither read nor keep times of earlier runs")
    parser.add_argument("--fix", metavar="A,B", help="fixes that come first: cle,smoothquant:alpha=0.6")
    parser.add_argument(
        "--predictor", choices=get_args(How), default="additive",
        help="whether errors of layers are taken as uncorrelated, or add up and cancel as predicted",
    )  # fmt: skip
    parser.add_argument("--points", metavar="N", type=int, default=16, help="points of the front (default: 16)")
    parser.add_argument(
        "--confirm", metavar="N", type=int, default=8,
        help="mixtures to measure, about; for a budget as many neighbours of the best as well (default: 8)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="PATH", help="write the chosen recipe, as YAML or .json")


def run(options: argparse.Namespace) -> None:
    """Search, and print the front and the choice."""
    names = several(options.formats or (_TIMED if options.device == HERE else _FORMATS))
    for name in names:
        parse_format(name.removesuffix("-all"))  # a slip of the pen is told before anything is loaded
    unit, budget = _budget(options)
    if options.output and budget is None and options.max_drop is None:
        raise UsageError("Without a budget nothing is chosen", do="Add for instance --max-bits 6 or --max-drop 1.")
    if options.device == HERE and unit != "seconds" and budget is not None:
        raise UsageError(f"--device {HERE} times layers, which no other budget asks for", do="Give --max-ms.")
    if options.output:
        refuse_inputs(options, options.output)
    with Reporter("loading torch") as reporter:
        from qdebug.search.mixed import search
        from qdebug.search.sweep.journal import Journal

        opened = just_opened(options, reporter)
        wish = _wish(options, names, "seconds" if options.device == HERE else unit, budget, opened, reporter)
        with closing(Journal()) as journal:
            found = search(
                opened, wish, points=options.points, confirm=options.confirm, journal=journal, work=reporter.work
            )
        found = _with_latency(options, found, opened, reporter)
    if options.output:
        if found.chosen is None:
            raise UsageError("Nothing was chosen, so nothing is written", do=found.words)
        save(from_plain(found.front[found.chosen].recipe), options.output)
    print_json(found) if options.json else print(describe(found))


@dataclass(frozen=True)
class _Budget:
    """A number in a unit of costs, or a part of what the float model costs."""

    value: float
    relative: bool


def _budget(options: argparse.Namespace) -> tuple[Unit, _Budget | None]:
    given: tuple[tuple[Unit, str, float], ...] = (
        ("bits", "max_bits", 1.0), ("bytes", "max_size", 1e6), ("bops", "max_bops", 1e9), ("seconds", "max_ms", 1e-3),
        ("joules", "max_mj", 1e-3),
    )  # fmt: skip
    for unit, option, factor in given:
        text = getattr(options, option)
        if text is None:
            continue
        try:
            value = float(text.removesuffix("x"))
        except ValueError:
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(f"{flag} wants a number, not '{text}'", do=f"Write {flag} 4, or {flag} 0.5x.") from None
        return unit, _Budget(value if text.endswith("x") else value * factor, text.endswith("x"))
    return "bits", None


def _wish(
    options: argparse.Namespace, names: tuple[str, ...], unit: Unit, budget: _Budget | None, opened: Session,
    reporter: Reporter,
) -> Wish:  # fmt: skip
    from qdebug.search.mixed.costs import float_cost
    from qdebug.search.mixed.wish import Wish, whole_formats

    between = parse_activation_format(options.between) if options.between else FLOAT
    fixes = parse_fixes(options.fix) if options.fix else ()
    bias = "int32" if not between.is_float32 and find(between.format).is_integer else "fp32"
    formats, recipe = whole_formats(names, Recipe(fixes=fixes, between=between, bias=bias))
    wish = Wish(
        formats=formats, recipe=recipe, unit=unit,
        max_drop=None if options.max_drop is None else options.max_drop / 100,
        pins=tuple(_pair("--pin", one) for one in options.pin),
        floors=tuple((pattern, _bits(bits)) for pattern, bits in (_pair("--floor", one) for one in options.floor)),
        ties=tuple(options.tie), platform=find_platform(options.platform) if options.platform else None,
        device=find_device(options.device) if options.device and options.device != HERE else None,
        times=_times(options, formats, recipe, opened, reporter), how=options.predictor, judge=options.judge_by,
    )  # fmt: skip
    if budget is None:
        return wish
    return replace(wish, budget=budget.value * (float_cost(opened.info(), wish) if budget.relative else 1.0))


def _times(
    options: argparse.Namespace, formats: Sequence[tuple[str, LayerPlan]], recipe: Recipe, opened: Session,
    reporter: Reporter,
) -> Times | None:  # fmt: skip
    if options.device != HERE:
        return None
    from qdebug.search.sweep.journal import Journal
    from qdebug.verify import layer_times

    journal = None if options.no_journal else Journal()
    return layer_times(
        opened, formats, between=recipe.between, threads=options.threads, journal=journal, work=reporter.work
    )


def _with_latency(options: argparse.Namespace, found: Mixture, opened: Session, reporter: Reporter) -> Mixture:
    """The choice timed as a whole, where its layers were timed one by one."""
    if options.device != HERE or found.chosen is None or not options.confirm:
        return found
    from qdebug.verify import measure_latency

    recipe = from_plain(found.front[found.chosen].recipe)
    latency = measure_latency(opened, recipe, threads=options.threads, batch=1, work=reporter.work)
    return msgspec.structs.replace(found, latency=latency)


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
    if found.taught_by:
        parts += ["", textwrap.fill(_taught(found), _WIDTH)]
    if found.timed:
        parts += ["", textwrap.fill(f"Times are sums over layers, each {found.timed}.", _WIDTH)]
        parts += [textwrap.fill(f"No time: {reason}", _WIDTH) for reason in found.untimed]
    if found.latency is not None:
        parts += [textwrap.fill(_whole(found.latency), _WIDTH)]
    if found.unpredicted:
        parts += ["", f"Not predicted, and left as wide as may be: {', '.join(found.unpredicted)}."]
    return "\n".join(parts)


def _front(found: Mixture) -> str:
    from qdebug.figures import numbers

    columns = tuple(f"#{name}" for name in found.formats)
    own, judged = _UNITS.get(found.unit), found.judge == "worst-group"
    rows = [
        (
            "→" if place == found.chosen else "",
            *((numbers.three(point.cost * own[1]),) if own else ()),
            f"{point.bits_per_weight:.2f}", numbers.size(point.bytes), numbers.three(point.predicted),
            *((_set_right(point),) if found.taught_by else ()), numbers.three(point.confirmed), _metric(point),
            *((_worst(point),) if judged else ()),
            *map(str, point.formats),
            {"uniform": "one format", "beside": "beside the front", "search": ""}[point.origin],
        )
        for place, point in enumerate(found.front)
    ]  # fmt: skip
    header = (
        "", *((own[0],) if own else ()), "bits", "size", "predicted",
        *(("set right",) if found.taught_by else ()), "measured", "metric",
        *(("worst group",) if judged else ()), *columns, "",
    )  # fmt: skip
    return table(header, rows, align="<" + ">" * (len(header) - 2) + "<")


_UNITS: dict[str, tuple[str, float]] = {"bops": ("GBOPs", 1e-9), "seconds": ("ms", 1e3), "joules": ("mJ", 1e3)}


def _metric(point: MixturePoint) -> str:
    from qdebug.figures import numbers

    return numbers.metric_value(point.metric.name, point.metric.quantized) if point.metric else numbers.NONE


def _set_right(point: MixturePoint) -> str:
    from qdebug.figures import mixture, numbers

    return numbers.NONE if point.expected is None else mixture.with_interval(point)


def _taught(found: Mixture) -> str:
    """What predictions were set right by, and how well that does."""
    from qdebug.figures.mixture import teachers

    said = f"Set right by {teachers(found)} (those that ruin the model aside), with 95 % intervals."
    if found.missed is not None:
        said += f" Left out, these would have been missed by {100 * found.missed:.1f} % (median)."
    return said


def _worst(point: MixturePoint) -> str:
    from qdebug.figures import numbers

    if point.worst is None or point.metric is None:
        return numbers.NONE
    return f"{point.worst.called} {numbers.metric_change(point.metric.name, point.worst.delta)[0]}"


def _whole(latency: Latency) -> str:
    one, two = 1e3 * latency.float_.median, 1e3 * latency.quantized.median
    return f"The chosen file, timed as a whole: {two:.3g} ms a run, {one:.3g} ms in float. {latency.finding}"
