"""A model opened with the recipe that the options spell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from qdebug.cli.options import base_recipe, with_layers
from qdebug.cli.progress import Reporter
from qdebug.errors import FileError
from qdebug.recipes import Recipe
from qdebug.recipes.fixes import written

if TYPE_CHECKING:
    from qdebug.session import Session


def just_opened(options: argparse.Namespace, reporter: Reporter, model: str | None = None) -> Session:
    """The model that the options name, or another one, with their data and their metric.

    Raises:
        QDebugError: it cannot be opened.
    """
    from qdebug import session

    return session.open(
        model or options.model, options.data, options.calib, train=options.train, metric=options.metric,
        window=options.window, tokens=options.tokens, work=reporter.work,
    )  # fmt: skip


def opened(options: argparse.Namespace, reporter: Reporter, *, check: bool = True) -> tuple[Session, Recipe]:
    """The session and the recipe, which fits it unless that is not to be checked.

    A slip of the pen is told before anything is loaded.

    Raises:
        QDebugError: an option is wrong, the model cannot be opened, or the recipe does not fit it.
    """
    base_recipe(options)
    found = just_opened(options, reporter)
    recipe = with_layers(base_recipe(options, found.own_recipe()), options, found.info().layers)
    if check:
        found.check(recipe)
        if any(fix.stage == "training" for fix in recipe.fixes):
            recipe = _trained(found, recipe, reporter)
    return found, recipe


def _trained(session: Session, recipe: Recipe, reporter: Reporter) -> Recipe:
    """The recipe with its training done, which Ctrl-C ends with the best so far: then it says after how many steps."""
    data = session.subject.training
    if data is not None:
        reporter.say(f"weights are trained on {len(data)} samples from {data.source}")
    done = session.worked_out(recipe, reporter.work)
    if done != recipe:
        ended = next(fix for fix in done.fixes if fix not in recipe.fixes)
        reporter.say(f"ended early; without being ended, --fix {written(ended)} gives the same")
    return done


def refuse_inputs(options: argparse.Namespace, path: str) -> None:
    """Refuse to write over what the command reads, or over what is no file.

    Raises:
        FileError: the path is the model, its data or something that is neither file nor folder.
    """
    place = Path(path)
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise FileError("This is no file that could be written", file=path, do="Give another path.")
    others = (getattr(options, name, None) for name in ("recipe", "against", "against_model"))
    for given in (options.model, options.data, options.calib, options.train, *others):
        if given and place.is_file() and Path(given).is_file() and place.samefile(given):
            raise FileError("This would overwrite what the command reads", file=path, do="Give another path.")
