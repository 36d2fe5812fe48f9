"""Who opens, writes, moves or removes what: an audit hook of Python, and what it says of files beyond a folder.

It sees what Python does. What libraries in C and Rust open by themselves it does not see; for that the files beyond
hold what would be recognised in a result.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_CHANGES = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "os.utime": 1, "os.unlink": 1, "shutil.rmtree": 1, "shutil.move": 2,
    "shutil.copyfile": 2, "sqlite3.connect": 1, "os.mkfifo": 1,
}  # fmt: skip
"""Events that change something, and how many of their first arguments are paths."""
_IN_FOLDERS = ("os.remove", "os.rmdir", "os.mkdir", "os.rename", "os.unlink")
_NEVER = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "os.system", "ctypes.dlopen")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/dev/shm", "/etc/localtime", "/etc/mime.types", "/usr/share")
_active: list[Watch] = []


class Watch:
    """What happened outside of some folders.

    Args:
        within: where files may be read and written.
        never: beyond which nothing may be touched, whatever else holds.

    Attributes:
        seen: sentences.
        count: how many events there were.
    """

    def __init__(self, within: Sequence[Path], never: Path) -> None:
        self.within = [os.path.realpath(one) for one in within]
        self.never = os.path.realpath(never)
        paths = sysconfig.get_paths()
        code = [*sys.path, paths["stdlib"], paths["purelib"], paths["platlib"], sys.prefix, sys.base_prefix]
        self.code = [os.path.realpath(one) for one in code if one]
        self.seen: list[str] = []
        self.count = 0

    def told(self, event: str, arguments: tuple[object, ...]) -> None:
        """An event of the audit hook."""
        if event in _NEVER and event != "ctypes.dlopen":
            self.seen.append(f"{event} {arguments[:1]}")
        elif event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            self._path(event, arguments[0], bool(flags & _WRITING), bool(flags & getattr(os, "O_NOFOLLOW", 0)))
        elif event in ("os.listdir", "os.scandir"):
            self._path(event, arguments[0], writes=False)
        elif event in _CHANGES:
            in_folder = event in _IN_FOLDERS and arguments[-1] != -1  # an open folder that the name is one of
            for one in arguments[: _CHANGES[event]]:
                self._path(event, one, writes=True, stays=in_folder)

    def _path(self, event: str, given: object, writes: bool, stays: bool = False) -> None:
        if not isinstance(given, str | bytes | os.PathLike):
            return  # what is open already
        self.count += 1
        text = os.fsdecode(given)
        if text in ("", ":memory:"):
            return
        if stays and "/" not in text and text not in (".", ".."):
            return  # beneath a folder that is open, and no link
        try:
            place = os.path.realpath(text)
        except (OSError, ValueError):
            place = text
        inside = any(_is_below(place, one) for one in self.within)
        if writes and not inside and self._is_compiled(place):
            return  # a kernel's first use
        if _is_below(place, self.never) or not (inside or (not writes and self._may_read(place))):
            self.seen.append(f"{event} {text[:200]!r}{' for writing' if writes else ''}")

    def _is_compiled(self, place: str) -> bool:
        """Whether numba is about to keep a kernel of our code beside it; anything else that writes there is told."""
        if "__pycache__" not in place.split("/") or not any(_is_below(place, one) for one in self.code):
            return False
        frame = sys._getframe()
        while frame.f_back is not None and frame.f_globals.get("__name__") != "numba.core.caching":
            frame = frame.f_back
        return frame.f_back is not None

    def _may_read(self, place: str) -> bool:
        return place.startswith(_SYSTEM) or any(_is_below(place, one) for one in self.code)


def _is_below(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _active and (event == "open" or event in _CHANGES or event in _NEVER or event in ("os.listdir", "os.scandir")):
        watches, _active[:] = list(_active), []  # what looking at paths does is not looked at
        try:
            for watch in watches:
                watch.told(event, arguments)
        finally:
            _active[:] = watches


_hooked = False


@contextmanager
def watched(within: Sequence[Path], never: Path) -> Iterator[Watch]:
    """Watch what this process does meanwhile; see :class:`Watch`."""
    global _hooked  # noqa: PLW0603 - a hook stays for good
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    watch = Watch(within, never)
    _active.append(watch)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # Python's own files are not what is looked for
    try:
        yield watch
    finally:
        _active.remove(watch)
        sys.dont_write_bytecode = kept
