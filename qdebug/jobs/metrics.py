"""Functions of one's own that the compute process may run as metrics: copies that the operator put there. Torch-free.

The app hands its compute process references. One that names a Python file would let whoever reaches the app run any
file on this machine, so that process runs none but what lies in this folder under its own content's name: the command
line and Python put it there, the web process writes nothing there.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from qdebug.errors import FileError, UsageError
from qdebug.jobs.folders import private
from qdebug.jobs.uploads import is_upload
from qdebug.places import workspace
from qdebug.results import ModelRef
from qdebug.whole import write_file

_DO = "Give it where the app is started: qdebug app MODEL --metric path/to/file.py:function, or session.app()."


def folder() -> Path:
    """Where the copies lie."""
    return workspace() / "metrics"


def names_file(metric: str | None) -> bool:
    """Whether a metric is the function of a file."""
    return metric is not None and ":" in metric


def approve(metric: str) -> str:
    """Copy a function's file to where the compute process runs it from, for this user's eyes only.

    Args:
        metric: ``path/to/file.py:function``.

    Returns:
        ``/…/metrics/<digest>.py:function``.

    Raises:
        FileError: the file cannot be read, or the copy cannot be written.
    """
    path, _, name = metric.rpartition(":")
    try:
        content = Path(path).read_bytes()
        place = private(folder()) / f"{_digest(content)}.py"
        write_file(place, content)
    except OSError as error:
        raise FileError(
            f"The metric's file cannot be copied for the app: {error.strerror or error}", file=path,
            do="Give path/to/file.py:function.",
        ) from None  # fmt: skip
    return f"{place.resolve()}:{name}"


def check(ref: ModelRef) -> None:
    """Refuse a reference whose metric is a function that the operator of the app did not give.

    Raises:
        UsageError: it was not given where the app was started, or model or data are somebody's upload.
    """
    metric = ref.metric
    if metric is None or not names_file(metric):
        return
    if any(is_upload(path) for path in (ref.model, ref.data, ref.calib, ref.train) if path):
        raise UsageError(
            "A function of one's own does not judge uploads", do="Open files on this machine by their path."
        )
    file = Path(metric.rpartition(":")[0])
    try:
        known = file.resolve().parent == folder().resolve() and file.stem == _digest(file.read_bytes())
    except (OSError, ValueError):
        known = False
    if not known:
        raise UsageError("This function was not given to the app by whoever started it", metric=metric, do=_DO)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
