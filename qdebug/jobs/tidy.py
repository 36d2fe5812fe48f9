"""What nobody has looked at for long, and what a crash has left, is removed when the app starts. Torch-free.

Uploads, exports and fixes that were worked out are kept by what they were made from: whatever is removed here is made
or uploaded again. Answers of lessons, links, measurements and approved metrics are not touched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qdebug.jobs import exports, uploads
from qdebug.jobs.folders import IN_USE_SECONDS, MIB, bytes_in, megabytes
from qdebug.places import workspace

KEEP_DAYS = 30
WORKSPACE_MIB = 4096
LEFT_SECONDS = 24 * 3600.0
"""Age of something half done from which on nobody works on it any more."""
MADE_AGAIN = ("fixes", "opened")
"""The folders of a workspace whose entries are made again when they are asked for."""
_TEMPORARY = ("qdebug-read-", "qdebug-run-", "qdebug-")
_DAY = 86_400.0


def tidy(now: float | None = None) -> int:
    """Remove what a crash has left, what is too old, and what is too much; how many entries that were.

    Args:
        now: seconds since 1970; the clock's without it.

    Raises:
        UsageError: ``$QDEBUG_KEEP_DAYS`` or ``$QDEBUG_WORKSPACE_MB`` is no number above 0.
    """
    now = time.time() if now is None else now
    days = megabytes("QDEBUG_KEEP_DAYS", KEEP_DAYS)
    most = megabytes("QDEBUG_WORKSPACE_MB", WORKSPACE_MIB) * MIB
    kept = [uploads.folder(), exports.folder(), *(workspace() / name for name in MADE_AGAIN)]
    entries = [entry for folder in kept for entry in _entries(folder) if not _is_hidden(entry)]
    gone = _remove(entry for entry in entries if _is_half(entry) and _age(entry, now) > LEFT_SECONDS)
    gone += _remove(entry for entry in entries if not _is_half(entry) and _age(entry, now) > days * _DAY)
    gone += _remove(entry for entry in _entries(workspace()) if _is_half(entry) and _age(entry, now) > LEFT_SECONDS)
    gone += _remove(_in_temporary(now))
    return gone + _shrunk([entry for name in MADE_AGAIN for entry in _entries(workspace() / name)], most, now)


def _shrunk(entries: list[Path], most: int, now: float) -> int:
    """Remove the oldest until the rest has no more bytes than it may; none that somebody looked at just now."""
    sizes = {entry: bytes_in(entry) if entry.is_dir() else _size(entry) for entry in entries}
    gone, used = 0, sum(sizes.values())
    for entry in sorted(entries, key=lambda one: -_age(one, now)):
        if used <= most or _age(entry, now) < IN_USE_SECONDS:
            break
        gone += _remove([entry])
        used -= sizes[entry]
    return gone


def _is_half(entry: Path) -> bool:
    """Whether it was being written when whoever wrote it ended, or was set aside as damaged."""
    return entry.name.startswith(("part-", ".part-")) or entry.name.endswith(".part") or ".damaged-" in entry.name


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".") and not _is_half(entry)


def _in_temporary(now: float) -> Iterator[Path]:
    """What our processes put into the folder for temporary files, a day after anybody has written there."""
    for entry in _entries(Path(tempfile.gettempdir())):
        if entry.name.startswith(_TEMPORARY) and _is_ours(entry) and _age(entry, now) > LEFT_SECONDS:
            yield entry


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _remove(entries: Iterable[Path]) -> int:
    gone = 0
    for entry in list(entries):
        away: Callable[[Path], None] = shutil.rmtree if entry.is_dir() and not entry.is_symlink() else Path.unlink
        try:
            away(entry)
            gone += 1
        except OSError:
            continue  # somebody else's, or gone
    return gone


def _age(entry: Path, now: float) -> float:
    """Seconds since it was looked at or written; 0 for what is gone."""
    try:
        return now - entry.lstat().st_mtime
    except OSError:
        return 0.0


def _size(entry: Path) -> int:
    try:
        return entry.lstat().st_size
    except OSError:
        return 0


def _is_ours(entry: Path) -> bool:
    try:
        return os.name != "posix" or entry.lstat().st_uid == os.geteuid()
    except OSError:
        return False
