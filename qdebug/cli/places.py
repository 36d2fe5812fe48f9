"""Where the app and the samples are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

import qdebug
from qdebug.errors import FileError

_PACKAGE = Path(qdebug.__file__).resolve().parent


def app_script() -> Path:
    """The script that Streamlit runs.

    Raises:
        FileError: it is in neither place.
    """
    for folder in (_PACKAGE.parent, _PACKAGE / "_bundle"):
        # Installed, the first folder is site-packages, where an app.py could be anybody's.
        if (folder / "app.py").is_file() and (folder / ".streamlit" / "config.toml").is_file():
            return folder / "app.py"
    raise FileError("The app is not installed", file=_PACKAGE, do="Install qdebug again.")


def sample_names() -> tuple[str, ...]:
    """The samples' names, read without loading anything."""
    folder = app_script().parent / "sample_models"
    return tuple(sorted(card.parent.name.replace("_", "-") for card in folder.glob("*/card.yaml")))
