"""Where things are: the app and the samples beside the package or inside it, the workspace in the user's folder."""

from __future__ import annotations

import os
from pathlib import Path

from qdebug.errors import FileError

_PACKAGE = Path(__file__).resolve().parent


def app_script() -> Path:
    """The script that Streamlit runs.

    Raises:
        FileError: it is neither beside the package, as in a checkout, nor inside it, as when installed.
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


def workspace() -> Path:
    """Where results are kept from one process to the next: ``$QDEBUG_WORKSPACE``, or a folder of this user's."""
    return Path(os.environ.get("QDEBUG_WORKSPACE") or Path.home() / ".cache" / "qdebug" / "workspace")
