"""A model opened with the recipe that the options spell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from qdebug.cli.options import base_recipe, with_layers
from qdebug.cli.progress import Reporter
from qdebug.errors import FileError
from qdebug.recipes import Recipe

if TYPE_CHECKING:
    from qdebug.session import Session


def opened(options: argparse.Namespace, reporter: Reporter, *, check: bool = True) -> tuple[Session, Recipe]:
    """The session and the recipe, which fits it unless that is not to be checked.

    A slip of the pen is told before anything is loaded.

    Raises:
        QDebugError: an option is wrong, the model cannot be opened, or the recipe does not fit it.
    """
    base_recipe(options)
    from qdebug import session

    found = session.open(options.model, options.data, options.calib, work=reporter.work)
    recipe = with_layers(base_recipe(options, found.own_recipe()), options, found.info().layers)
    if check:
        found.check(recipe)
    return found, recipe


def refuse_inputs(options: argparse.Namespace, path: str) -> None:
    """Refuse to write over what the command reads, or over what is no file.

    Raises:
        FileError: the path is the model, its data or something that is neither file nor folder.
    """
    place = Path(path)
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise FileError("This is no file that could be written", file=path, do="Give another path.")
    for given in (options.model, options.data, options.calib):
        if given and place.is_file() and Path(given).is_file() and place.samefile(given):
            raise FileError("This would overwrite what the command reads", file=path, do="Give another path.")
