"""Folders of this user's that hold entries by content, whole or absent, under a budget. Torch-free."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qdebug.errors import UsageError
from qdebug.whole import whole_folder

MIB = 2**20
IN_USE_SECONDS = 4 * 3600.0
"""Since somebody looked at an entry last; until then it is not removed."""


def megabytes(variable: str, default: int) -> int:
    """A number of MiB from the environment.

    Raises:
        UsageError: the variable is no number above 0.
    """
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{variable} is '{text}'", do="Give a number of megabytes above 0.")
    return int(text)


def private(root: Path) -> Path:
    """The folder, made if missing, for this user's eyes only.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        if root.stat().st_uid != os.geteuid():
            raise PermissionError(0, "its folder belongs to another user")
        root.chmod(0o700)
    return root


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A folder beside the target to write into; when all is written it gets the target's name, or else it goes.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with whole_folder(target, target.with_name(f"part-{secrets.token_hex(8)}")) as part:
            yield part
    except OSError:
        if not target.exists():  # else another process was quicker with the same content
            raise


def make_room(root: Path, size: int, most: int) -> bool:
    """Remove the entries that nobody has looked at for the longest time, until so many bytes more fit.

    Args:
        root: the folder of entries.
        size: bytes to come.
        most: bytes that all entries may have.

    Returns:
        Whether they fit; entries in use stay even if they do not.
    """
    held = sorted((entry.stat().st_mtime, entry) for entry in root.iterdir() if entry.is_dir())
    sizes = {entry: bytes_in(entry) for _, entry in held}
    used = sum(sizes.values())
    for when, entry in held:
        if used + size <= most or when > time.time() - IN_USE_SECONDS:
            break
        gone = entry.with_name(f"part-{secrets.token_hex(8)}")
        entry.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        used -= sizes[entry]
    return used + size <= most


def bytes_in(entry: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for folder, _, names in os.walk(entry):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total
