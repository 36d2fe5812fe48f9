"""What a browser is told of the server's files: their names, and not where they lie."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path, PurePath

from qdebug.jobs import exports, uploads
from qdebug.jobs.runtime import default_dir
from qdebug.places import app_script, workspace

FILES = ("file", "folder", "path", "data")
"""The kinds of places in an error that are files."""


def named(kind: str, value: str) -> str:
    """Where something is wrong, as a browser may know it: of a file's path, the last part."""
    path = PurePath(value)
    return unplaced(path.name if kind in FILES and path.is_absolute() else value)


def unplaced(text: str) -> str:
    """A sentence without the folders that qdebug and its files lie in."""
    for folder in _folders():
        text = text.replace(f"{folder}/", "").replace(folder, PurePath(folder).name)
    return text


def _folders() -> list[str]:
    """The longest first: one may lie in another. The environment may name others at any time."""
    own = (uploads.folder(), exports.folder(), workspace(), default_dir(), app_script().parent, Path(sys.prefix),
           Path.home(), Path(tempfile.gettempdir()))  # fmt: skip
    found = {str(way) for one in own for way in (one.absolute(), one.resolve()) if len(way.parts) > 1}
    return sorted(found, key=len, reverse=True)
