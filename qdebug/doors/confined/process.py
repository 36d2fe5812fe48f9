"""The parent's half: start the child, watch it, end it, and say in our own words what became of it."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from qdebug.doors.confined.limits import Limits
from qdebug.doors.confined.messages import FAILED, FAILURE, LOG, Failure, Kind, Task
from qdebug.errors import BY_NAME, FileError, QDebugError

COMMAND = (sys.executable, "-P", "-m", "qdebug.doors.confined.child")
# What Python needs to find itself and its packages; no more of the environment is a stranger's file's business.
_PASSED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_LOOK_SECONDS = 0.02
_DOING: dict[Kind, str] = {"onnx": "reading", "npz": "reading", "convert": "converting", "check": "checking"}
LONGEST_TEXT = 600
LARGEST_FAILURE = 64 * 1024
_log = logging.getLogger(__name__)


@contextmanager
def confined(
    kind: Kind, file: Path, limits: Limits, check: Callable[[], None], command: Sequence[str] = COMMAND,
    opset: int = 0,
) -> Iterator[Path]:  # fmt: skip
    """The folder with what a child of this process has made of a file; it is gone afterwards, as is the child.

    Args:
        kind: what is done with the file.
        file: the file.
        limits: what that may cost.
        check: called often; raises where the work is to stop, which ends the child.
        command: what starts the child.
        opset: what a model is converted to.

    Raises:
        QDebugError: what the child met; or a FileError that names the limit, or says that it died.
    """
    if not file.is_file():
        raise FileError("There is no such file", file=file.name, do="Choose it again.")
    folder = Path(tempfile.mkdtemp(prefix="qdebug-read-"))  # for this user's eyes only
    try:
        task = Task(kind, str(file.resolve()), str(folder), os.getpid(), limits, opset)
        status = _watched(task, check, command, file)
        if status:
            _log.info("%s %s ended with status %d: %s", _DOING[kind], file.name, status, last_words(folder))
            _told(status, folder, task, file)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watched(task: Task, check: Callable[[], None], command: Sequence[str], file: Path) -> int:
    """The child's exit status; negative where a signal ended it."""
    with Path(task.folder, LOG).open("wb") as log:
        process = subprocess.Popen(
            [*command, msgspec.json.encode(task).decode()],
            env=environment(task.folder), cwd=task.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
    deadline = time.monotonic() + task.limits.wall
    try:
        while not _ended(process):
            check()
            if time.monotonic() > deadline:
                raise FileError(
                    f"{_DOING[task.kind].capitalize()} it takes longer than {task.limits.wall} s", file=file.name,
                    do="Save it again with a current exporter; a damaged file can take for ever.",
                )  # fmt: skip
            time.sleep(_LOOK_SECONDS)
    finally:
        end(process)
    return process.returncode


def environment(folder: str) -> dict[str, str]:
    """The environment that a child gets, whose temporary files go to a folder of its own."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, **_ONE_THREAD, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended. It stays unreaped, so that its number is nobody else's when its group is ended."""
    if os.name != "posix":
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a child that leads a group of its own, and whatever is in that."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _told(status: int, folder: Path, task: Task, file: Path) -> NoReturn:
    """Raise the error that the child has written, or one that says how it ended."""
    doing = _DOING[task.kind]
    if status == FAILED:
        raise _written(folder, doing, file)
    if status == -getattr(signal, "SIGXCPU", 0):
        raise FileError(
            f"{doing.capitalize()} it takes more than {task.limits.cpu} s of processor time", file=file.name,
            do="Save it again with a current exporter; a damaged file can take for ever.",
        )  # fmt: skip
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        raise FileError(
            f"The file ended the process that was {doing} it ({name})", file=file.name,
            do="It is damaged, or made to do harm: write it again with a current exporter.",
        )  # fmt: skip
    raise unsafe(file)


def _written(folder: Path, doing: str, file: Path) -> QDebugError:
    try:
        failure = msgspec.json.decode(left(folder, FAILURE, LARGEST_FAILURE).read_bytes(), type=Failure)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return unsafe(file)
    if failure.kind in _LIMITS:
        what, do = _LIMITS[failure.kind]
        return FileError(what.format(doing.capitalize()), file=file.name, do=do)
    kind = BY_NAME.get(failure.kind)
    if kind is None:
        return unsafe(file)
    # the file by its name: where uploads lie on this machine is nobody's business
    where = {short(key, 40): short(value) for key, value in list(failure.where.items())[:8]}
    where |= {"file": file.name} if "file" in where else {}
    do = short(failure.do)
    return kind(short(failure.what), **{"do": do, **{key: value for key, value in where.items() if key != "do"}})


_LIMITS = {
    "memory": (
        "{} it takes more memory than a file of its size should",
        "Save it again with a current exporter, or give a smaller one.",
    ),
    "result": (
        "It unfolds to more than a file of its size should",
        "Give fewer samples, or put the file on the server's disk and open it by its path.",
    ),
    "disk": ("The server's disk is full", "Free some space there, or name another folder in TMPDIR."),
}


def unsafe(file: Path) -> FileError:
    """What is said where the child's results are not what they should be."""
    return FileError(
        "The file could not be read safely", file=file.name, do="Write it again with a current exporter and retry."
    )


def left(folder: Path, name: str, largest: int) -> Path:
    """A file that the child has left.

    Raises:
        OSError: it is missing, no regular file, has another name too, or is too large.
    """
    path = folder / name
    status = path.lstat()
    if not path.is_file() or path.is_symlink() or status.st_nlink != 1 or status.st_size > largest:
        raise OSError(f"{name} is not as it should be")
    return path


def short(text: str, most: int = LONGEST_TEXT) -> str:
    """A text that is safe to show: printable, and not too long."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def last_words(folder: Path) -> str:
    """The end of what the child said, for the log and nowhere else."""
    try:
        with left(folder, LOG, 2**62).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
            return repr(log.read(2000).decode("utf-8", "replace"))
    except OSError:
        return ""
