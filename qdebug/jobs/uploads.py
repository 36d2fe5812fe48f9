"""Files that people upload: a folder of this user's, by content, under a budget. Torch-free.

The app writes them, the compute process reads them. Both know them by their place: an uploads folder carries a mark, so
that no setting can make one of them take a stranger's file for the operator's own.
"""

from __future__ import annotations

import hashlib
import os
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from qdebug.beneath import create_beneath
from qdebug.errors import FileError
from qdebug.jobs.folders import IN_USE_SECONDS, MIB, make_room, megabytes, private, whole

__all__ = [
    "IN_USE_SECONDS", "LONGEST_NAME", "folder", "is_upload", "largest_mib", "safe_name", "store", "touch",
]  # fmt: skip

MARK = ".qdebug-uploads"
LARGEST_MIB = 500
TOTAL_MIB = 8192
LONGEST_NAME = 120
"""Bytes of a name in UTF-8."""
_NOT_IN_NAMES = '<>:"|?*'
_storing = threading.Lock()


def largest_mib() -> int:
    """MiB of one upload: ``$QDEBUG_UPLOAD_MB``, or 500.

    Raises:
        UsageError: the variable is no number above 0.
    """
    return megabytes("QDEBUG_UPLOAD_MB", LARGEST_MIB)


def folder() -> Path:
    """``$QDEBUG_UPLOADS``, or a folder of this user's."""
    chosen = os.environ.get("QDEBUG_UPLOADS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "qdebug" / "uploads"


def is_upload(path: str | os.PathLike[str]) -> bool:
    """Whether a file lies in a folder for uploads, whichever way it is named."""
    try:
        ways = {Path(path).absolute(), Path(path).resolve()}
        return any((above / MARK).exists() for way in ways for above in way.parents)
    except (OSError, ValueError):  # no path at all; nothing will be read from there
        return False


def store(files: Sequence[tuple[str, bytes | memoryview]]) -> tuple[Path, ...]:
    """Keep files that were uploaded together, in one folder named after their content.

    Args:
        files: name as given, and content.

    Returns:
        Where each lies. The same files uploaded again lie in the same place, untouched.

    Raises:
        FileError: they are too large, two have one name, or they cannot be written.
        UsageError: a limit in the environment is no number.
    """
    names = [safe_name(name) for name, _ in files]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise FileError("Two files have the same name", file=twice, do="Rename one of them.")
    size, most = sum(len(content) for _, content in files), largest_mib()
    if size > most * MIB:
        raise FileError(
            f"The upload has {size / MIB:.0f} MB, more than the {most} MB that this server takes", file=names[0],
            do="Put it on the server's disk and open it by its path, or start the server with a larger "
            "QDEBUG_UPLOAD_MB.",
        )  # fmt: skip
    contents = [content for _, content in files]
    try:
        with _storing:
            root = _root()
            target = root / _digest(names, contents)
            if not target.exists():
                _make_room(root, size)
                _write(target, names, contents)
        touch([target / names[0]])
    except OSError as error:
        raise FileError(
            f"The upload cannot be kept ({error.strerror})", file=names[0],
            do="Name another folder in the environment variable QDEBUG_UPLOADS.",
        ) from None  # fmt: skip
    return tuple(target / name for name in names)


def touch(paths: Iterable[str | os.PathLike[str] | None]) -> None:
    """Note that somebody looks at these files, as far as they are uploads."""
    for path in paths:
        if path and is_upload(path):
            try:
                os.utime(Path(path).parent)
            except OSError:
                continue  # gone; whoever opens it is told


def safe_name(given: str) -> str:
    """A name that a file can have: the given one, as far as it can be had.

    Folders are cut off, characters that control something or that file systems refuse become ``_``, and it is shortened
    in the middle to 120 bytes, so that its ending stays.
    """
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    plain = "".join("_" if unicodedata.category(one)[0] == "C" or one in _NOT_IN_NAMES else one for one in last)
    plain = plain.strip(" .") or "file"
    raw = plain.encode()
    if len(raw) <= LONGEST_NAME:
        return plain
    half = LONGEST_NAME // 2 - 2
    return raw[:half].decode(errors="ignore") + "…" + raw[-half:].decode(errors="ignore")


def _root() -> Path:
    root = private(folder())
    (root / MARK).touch()
    return root


def _digest(names: Sequence[str], contents: Sequence[bytes | memoryview]) -> str:
    parts = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in zip(names, contents, strict=True))
    return hashlib.sha256("\0".join(part for pair in parts for part in pair).encode()).hexdigest()


def _write(target: Path, names: Sequence[str], contents: Sequence[bytes | memoryview]) -> None:
    """Whole or not at all."""
    with whole(target) as part:
        for name, content in zip(names, contents, strict=True):
            with os.fdopen(create_beneath(part, name), "wb") as file:
                file.write(content)


def _make_room(root: Path, size: int) -> None:
    most = megabytes("QDEBUG_UPLOADS_MB", TOTAL_MIB)
    if not make_room(root, size, most * MIB):
        raise FileError(
            f"The {most} MB for uploads are in use", do="Try again later, or start the server with a larger "
            "QDEBUG_UPLOADS_MB.",
        )  # fmt: skip
