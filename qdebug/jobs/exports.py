"""Files that recipes were exported as: a folder of this user's, by what they were made from, under a budget.

The compute process writes them, the app hands them out. Torch-free.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from qdebug.errors import FileError
from qdebug.jobs import uploads
from qdebug.jobs.folders import MIB, make_room, megabytes, private, whole
from qdebug.results import Exported

TOTAL_MIB = 8192
_SAID = ".exported.json"
_decoder = msgspec.json.Decoder(Exported)
_storing = threading.Lock()


def folder() -> Path:
    """``$QDEBUG_EXPORTS``, or the folder ``exports`` beside that of uploads."""
    chosen = os.environ.get("QDEBUG_EXPORTS")
    return Path(chosen) if chosen else uploads.folder().with_name("exports")


def kept(name: str, write: Callable[[Path], Exported]) -> Exported:
    """The export of that name, written now if it is not there.

    Args:
        name: names the content: equal for what is made from the same model, data, recipe and target alike.
        write: writes the files into a folder and says what it wrote.

    Raises:
        FileError: the files cannot be kept.
        QDebugError: whatever ``write`` met. Nothing is left of it.
    """
    try:
        root = private(folder())
        target = root / name
        found = _read(target)
        if found is None:
            shutil.rmtree(target, ignore_errors=True)  # what is there but not whole
            with whole(target) as part:
                said = write(part)
                said = msgspec.structs.replace(said, path=Path(said.path).name)
                (part / _SAID).write_bytes(msgspec.json.encode(said))
                _fit(root)
            found = _read(target)
        touch(target)
    except OSError as error:
        raise FileError(
            f"The export cannot be kept ({error.strerror})",
            do="Name another folder in the environment variable QDEBUG_EXPORTS.",
        ) from None
    if found is None:
        raise FileError("The export is gone", do="Write it again.")
    return found


def files(exported: Exported) -> tuple[Path, ...]:
    """The files of an export, the one that was asked for first; none where they have been removed."""
    main = Path(exported.path)
    try:
        beside = sorted(one for one in main.parent.iterdir() if one.name not in (main.name, _SAID))
    except OSError:
        return ()
    return (main, *beside) if main.exists() else ()


def touch(entry: Path) -> None:
    """Note that somebody looks at an export."""
    try:
        os.utime(entry)
    except OSError:
        return  # gone; whoever asks for its files is told


def read(file: Path) -> bytes:
    """One file of an export.

    Raises:
        FileError: it has been removed.
    """
    try:
        return file.read_bytes()
    except OSError:
        raise FileError("The file is gone", do="Write it again.") from None


def _read(entry: Path) -> Exported | None:
    """What an entry holds, or None where there is none or it is damaged."""
    try:
        said = _decoder.decode((entry / _SAID).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    found = msgspec.structs.replace(said, path=str(entry / said.path))
    return found if files(found) else None


def _fit(root: Path) -> None:
    """Make room for what has just been written, which is counted already."""
    most = megabytes("QDEBUG_EXPORTS_MB", TOTAL_MIB)
    with _storing:
        if not make_room(root, 0, most * MIB):
            raise FileError(
                f"The {most} MB for exports are in use", do="Try again later, or start the server with a larger "
                "QDEBUG_EXPORTS_MB.",
            )  # fmt: skip
