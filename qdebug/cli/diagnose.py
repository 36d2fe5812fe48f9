"""Why a recipe breaks the model: ranked causes, each with evidence and a fix whose effect was measured."""

from __future__ import annotations

import argparse
import math
import textwrap

from qdebug.cli.opening import opened
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import Cause, Diagnosis

SUMMARY = "why a recipe breaks the model: ranked causes, and fixes that were tried"
EXAMPLES = """\
  qdebug diagnose digits-mobilenet
  qdebug diagnose digits-vit --preset w8a8 --json
  qdebug diagnose pydoc-gpt --preset w4a16
  qdebug diagnose model.onnx --data val.npz --calib train.npz --recipe mine.yaml"""
_WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """Diagnose the recipe and print the causes."""
    with Reporter("loading torch") as reporter:
        session, recipe = opened(options, reporter, check=False)  # a NaN that a recipe is refused for is a cause
        from qdebug.search.diagnose import diagnose

        found = diagnose(session, recipe, reporter.work)
    print_json(found) if options.json else print(describe(found))


def describe(found: Diagnosis) -> str:
    """The diagnosis as text: the whole in one sentence, then the causes."""
    from qdebug.figures import numbers

    parts = [textwrap.fill(f"{found.model}: {found.text}.", _WIDTH)]
    for place, cause in enumerate(found.causes, 1):
        parts += ["", _paragraph(place, cause)]
    if found.causes:
        parts += ["", _table(found.metric, found.causes)]
    if found.together and len(found.together.fixes) > 1:
        parts += ["", textwrap.fill(_together(found), _WIDTH)]
    if found.tensors:
        parts += ["", textwrap.fill(_looked(found), _WIDTH)]
    parts += ["", f"{numbers.count(found.n)} samples, took {numbers.seconds(found.seconds)}"]
    return "\n".join(parts)


def _paragraph(place: int, cause: Cause) -> str:
    from qdebug.figures.numbers import share

    lead = f"{place}. {share(cause.share)} of the damage. "
    return textwrap.fill(f"{lead}{cause.text}.", _WIDTH, subsequent_indent="   ")


def _looked(found: Diagnosis) -> str:
    """How far the search went."""
    rest = found.tensors - found.measured
    guessed = f"; what the other {rest} do is predicted" if rest else ""
    return (
        f"Of {found.tensors} quantized tensors {found.measured} were quantized alone and measured{guessed}. The "
        f"{found.looked_at} that do most damage were looked at."
    )


def _together(found: Diagnosis) -> str:
    from qdebug.figures.numbers import metric_title, metric_value

    assert found.together is not None
    names = ", ".join(fix.method for fix in found.together.fixes)
    value = metric_value(found.metric, found.together.metric)
    return f"Together ({names}): {metric_title(found.metric)} {value}."


def _table(metric: str, causes: tuple[Cause, ...]) -> str:
    from qdebug.figures.numbers import NONE, metric_value, percent
    from qdebug.figures.text import shorten

    def shown(value: float | None) -> str:
        return NONE if value is None or math.isnan(value) else metric_value(metric, value)

    rows = [
        (shorten(cause.layer, 32), cause.tensor, cause.kind, cause.fix.method if cause.fix else NONE,
         shown(cause.metric_before), shown(cause.metric_after), percent(cause.recovered) if cause.fix else NONE)
        for cause in causes
    ]  # fmt: skip
    header = ("worst layer", "tensor", "cause", "fix", "before", "after", "recovered")
    return table(header, rows, align="<<<<>>>")
