"""What was found out as one file: verdict, causes, layers, groups, a real runtime, recipe; opens without a network."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qdebug.cli.opening import just_opened, opened, refuse_inputs
from qdebug.cli.options import add_model, add_recipe, base_recipe, with_layers
from qdebug.cli.output import print_json
from qdebug.cli.progress import Reporter
from qdebug.cli.sides import parse_side
from qdebug.errors import FileError, UsageError

if TYPE_CHECKING:
    from qdebug.recipes import Recipe
    from qdebug.results.report import DiffReport, Report
    from qdebug.session import Session

SUMMARY = "one HTML or JSON file with everything that was found out, to keep or to send"
EXAMPLES = """\
  qdebug report digits-mobilenet -o report.html
  qdebug report model.onnx --data val.npz --recipe mine.yaml -o report.html
  qdebug report model.onnx --data val.npz --preset w8a8-pc-all --runtime none -o report.json
  qdebug report digits-mobilenet --fix cle --against w8a8 -o diff.html
  qdebug report new.onnx --data val.npz --against-model old.onnx -o diff.html"""
_ENDS = (".html", ".json")
_RUNTIMES = ("onnxruntime", "openvino", "none")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument(
        "-o", "--output", metavar="PATH", default="report.html",
        help="the file, .html to be read or .json for programs (default: report.html)",
    )  # fmt: skip
    parser.add_argument(
        "--runtime", choices=_RUNTIMES, default="onnxruntime", help="what the exported file is held against"
    )
    parser.add_argument("--no-causes", action="store_true", help="leave out causes and the fixes that would be tried")
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--against", metavar="A",
        help="report on the difference from another recipe: float, a preset (w8a8+cle), a recipe file, or own",
    )  # fmt: skip
    other.add_argument(
        "--against-model", metavar="MODEL2",
        help="report on the difference from another version of the model, on the same data",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measure, write the file and say where it is."""
    target = place(options.output)
    refuse_inputs(options, options.output)
    if options.against:  # a slip of the pen is told before anything is loaded
        parse_side(options.against, is_open=False)
    with Reporter("loading torch") as reporter:
        from qdebug.report import save

        found = _diff(options, reporter) if options.against or options.against_model else _single(options, reporter)
        save(found, target)
    if options.json:
        print_json(found)
    else:
        from qdebug.figures.numbers import size

        print(f"{_said(found)}.\n{target}: {size(target.stat().st_size)}")


def _single(options: argparse.Namespace, reporter: Reporter) -> Report:
    """The report on one recipe."""
    from qdebug.report import gather

    session, recipe = opened(options, reporter)
    runtime = None if options.runtime == "none" else options.runtime
    return gather(session, recipe, causes=not options.no_causes, runtime=runtime, work=reporter.work)


def _diff(options: argparse.Namespace, reporter: Reporter) -> DiffReport:
    """The report on a difference."""
    from qdebug.figures.recipe_words import recipe_title
    from qdebug.report import gather_models, gather_recipes

    session, recipe = opened(options, reporter)
    if options.against:
        other = parse_side(options.against, session.own_recipe())
        names = Path(options.against).name, recipe_title(recipe)
        return gather_recipes(session, other, recipe, names=names, work=reporter.work)
    before, old = _before(options, reporter)
    names = Path(options.against_model).name, Path(options.model).name
    return gather_models(before, session, (old, recipe), names=names, work=reporter.work)


def _before(options: argparse.Namespace, reporter: Reporter) -> tuple[Session, Recipe]:
    """The version from before, and the recipe that the options spell on it, whatever model a file was made for."""
    before = just_opened(options, reporter, options.against_model)
    recipe = with_layers(base_recipe(options, before.own_recipe()), options, before.info().layers)
    return before, msgspec.structs.replace(recipe, model=None)


def _said(found: Report | DiffReport) -> str:
    """The finding, without a full stop."""
    from qdebug.figures.comparison import comparison_finding
    from qdebug.results.report import Report

    if isinstance(found, Report):
        return f"{found.model.name}: {found.verdict.text.rstrip('.')}"
    return f"A {found.a.name}, B {found.b.name}: {comparison_finding(found.comparison)}"


def place(path: str) -> Path:
    """Where the report goes: a slip of the pen is told before minutes are spent on measuring.

    Raises:
        UsageError: its end names neither kind of file.
        FileError: no file can be written there.
    """
    target = Path(path)
    if target.suffix.lower() not in _ENDS:
        raise UsageError(f"--output {path}", do=f"Give a file that ends in {' or '.join(_ENDS)}.")
    folder = target.parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FileError("No file can be written there", file=path, do="Choose another place.")
    return target
