"""From a name that somebody else chose to an open file: the one way, and only beneath a folder. Torch-free.

Names stand in files that people open (where an ONNX model's tensors lie, which shards an index has, which files a
table), and come from browsers (what an upload is called). Whoever names a path on the command line, in Python or in the
app's field for paths may name any; for all else this is the only way to a file, and a test of the house forbids others.

Each part of a name is opened in the folder before it without following a link (``O_NOFOLLOW`` with ``dir_fd``), so
nothing that is exchanged meanwhile leads out; and what is opened in the end is looked at, not what lay there before.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from qdebug.errors import FileError

NO_FILE = "Its place is no file in the model's own folder"
LINK = "Its place is a link, and links are not followed"
NOT_REGULAR = "Its place is no regular file"
SOMEBODY_S = "Its file is a hard link to somebody else's"
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_WALKS = os.open in os.supports_dir_fd
_SNAPSHOTS, _BLOBS = "snapshots", "blobs"
"""Of the hub's cache: a snapshot's files are links to blobs beside it."""


class NotBeneath(Exception):  # noqa: N818 - turned into an error for people by whoever knows whose name it is
    """A name leads to no file beneath the folder.

    Attributes:
        what: why, in a sentence without its full stop.
        missing: whether there simply is none.
    """

    def __init__(self, what: str, *, missing: bool = False) -> None:
        self.what, self.missing = what, missing
        super().__init__(what)


def open_beneath(root: Path, name: str, *, cached: bool = False) -> int:
    """A file beneath a folder, open for reading. Pipes are not waited for.

    Args:
        root: the folder.
        name: of the file, with ``/`` between folders within.
        cached: whether a name may be a link into the blobs of the hub's cache that the folder is a snapshot of.

    Returns:
        The open file; whoever asked closes it.

    Raises:
        NotBeneath: the name leads out of the folder, over a link, to no regular file, or to somebody else's.
    """
    parts = _parts(name)
    try:
        handle = _opened(root, parts, _READ)
    except OSError as error:
        blob = _blob(root, parts) if cached else None
        if blob is None:
            raise NotBeneath(_reason(root, parts, error), missing=error.errno == errno.ENOENT) from None
        return open_beneath(*blob)
    except ValueError:  # what no file system takes: half a character
        raise NotBeneath(NO_FILE) from None
    status = os.fstat(handle)
    wrong = None
    if not stat.S_ISREG(status.st_mode):
        wrong = NOT_REGULAR
    elif status.st_nlink > 1 and hasattr(os, "getuid") and status.st_uid != os.getuid():
        wrong = SOMEBODY_S
    if wrong:
        os.close(handle)
        raise NotBeneath(wrong)
    return handle


def place_beneath(root: Path, name: str, what: str, *, folder: bool = False) -> Path:
    """The path of such a file, for libraries that want one. It has been opened once, and was what it should be.

    Args:
        root: the folder; where it is a snapshot in the hub's cache, its files may be links to that cache's blobs.
        name: of the file.
        what: whose name it is, such as ``The shard``.
        folder: whether it is a folder's name.

    Returns:
        The path; also where nothing lies there, of which whoever opens it says more.

    Raises:
        FileError: as :func:`open_beneath` refuses.
    """
    try:
        os.close(_folder(root, name) if folder else open_beneath(root, name, cached=True))
    except NotBeneath as error:
        if error.missing:
            return root.joinpath(*_parts(name))
        raise FileError(
            f"{what} '{name[:200]}' is not read. {error.what}", file=root,
            do="Download or copy the whole folder again, with the files themselves.",
        ) from None  # fmt: skip
    return root.joinpath(*_parts(name))


def _folder(root: Path, name: str) -> int:
    parts = _parts(name)
    try:
        return _opened(root, parts, _DIRECTORY)
    except OSError as error:
        raise NotBeneath(_reason(root, parts, error), missing=error.errno == errno.ENOENT) from None
    except ValueError:
        raise NotBeneath(NO_FILE) from None


def create_beneath(root: Path, name: str) -> int:
    """A new file directly in a folder, open for writing, for this user's eyes only.

    Raises:
        NotBeneath: the name is more than a name, or leads out.
        OSError: there is one already, or none can be made.
    """
    parts = _parts(name)
    if len(parts) != 1:
        raise NotBeneath(NO_FILE)
    return _opened(root, parts, _NEW)


def check_replaceable(target: Path) -> None:
    """Refuse to put a file in the place of what is none: a device, a pipe, a folder.

    Raises:
        FileError: that is what lies there.
    """
    try:
        mode = target.lstat().st_mode
    except (OSError, ValueError):
        return  # nothing there, or nothing that can be written: whoever writes is told
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise FileError(f"What is there is {kind}", file=target, do="Give the name of a new file.")


def _parts(name: str) -> tuple[str, ...]:
    plain, windows = PurePosixPath(name), PureWindowsPath(name)
    climbing = ".." in plain.parts or ".." in windows.parts
    if (
        not plain.parts or climbing or plain.is_absolute() or windows.is_absolute() or windows.drive
        or "\\" in name  # systems disagree on what it means
        or "\0" in name
    ):  # fmt: skip
        raise NotBeneath(NO_FILE)
    return plain.parts


def _opened(root: Path, parts: tuple[str, ...], flags: int) -> int:
    """Open folder after folder, and what the last part names in the last of them."""
    if not _WALKS:  # Windows: look first, then open
        for at in range(1, len(parts)):
            if stat.S_ISLNK(os.lstat(root.joinpath(*parts[:at])).st_mode):
                raise OSError(NO_FILE)
        return os.open(root.joinpath(*parts), flags, 0o600)
    handle = os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        for part in parts[:-1]:
            inner = os.open(part, _DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(parts[-1], flags, 0o600, dir_fd=handle)
    finally:
        os.close(handle)


def _reason(root: Path, parts: tuple[str, ...], error: OSError) -> str:
    """Why a file could not be opened: a link on the way, or what the system says."""
    for at in range(1, len(parts) + 1):
        try:
            if stat.S_ISLNK(os.lstat(root.joinpath(*parts[:at])).st_mode):
                return LINK
        except (OSError, ValueError):
            break
    return f"Its file cannot be read ({error.strerror or error})"


def _blob(root: Path, parts: tuple[str, ...]) -> tuple[Path, str] | None:
    """The folder of blobs and the blob that a link in a snapshot of the hub's cache leads to; None for any other."""
    above = root.absolute().parent
    if len(parts) != 1 or above.name != _SNAPSHOTS:
        return None
    try:
        aim = PurePosixPath(os.readlink(root.joinpath(*parts)))
    except (OSError, ValueError):
        return None
    is_blob = len(aim.parts) == 4 and aim.parts[:3] == ("..", "..", _BLOBS)
    return (above.parent.joinpath(_BLOBS), aim.name) if is_blob else None
