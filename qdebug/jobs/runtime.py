"""The folder where clients find the compute process: its port and token, its lock, its log. Torch-free."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import IO

import msgspec

import qdebug
from qdebug.errors import WorkerError


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a compute process listens on the loopback interface, and the token that opens it."""

    port: int
    token: str
    pid: int
    instance: str


_endpoint = msgspec.json.Decoder(Endpoint)


@cache
def build() -> str:
    """Eight hex digits that change with every change of the package's files, as they were when this was called first.

    A client speaks only to a compute process that was started for its own build: one left from before an edit or an
    upgrade is not found, and ends by itself when nobody speaks to it.
    """
    root = Path(qdebug.__file__).parent
    seen = hashlib.blake2b(f"{root} {qdebug.__version__} {sys.version}".encode(), digest_size=4)
    for path in sorted(root.rglob("*.py")):
        stat = path.stat()
        seen.update(f"{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}".encode())
    return seen.hexdigest()


def default_dir() -> Path:
    """``$QDEBUG_RUNTIME``, or a folder of this user's."""
    if chosen := os.environ.get("QDEBUG_RUNTIME"):
        return Path(chosen)
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "qdebug"
    return Path.home() / ".cache" / "qdebug" / "run"


class Runtime:
    """The files of one build in one runtime directory.

    Args:
        folder: made if missing, for this user's eyes only.
        label: the build.

    Raises:
        WorkerError: it cannot be made, or belongs to somebody else.
    """

    def __init__(self, folder: Path, label: str = "") -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                if folder.stat().st_uid != os.geteuid():
                    raise PermissionError(0, "it belongs to another user")
                folder.chmod(0o700)
        except OSError as error:
            raise WorkerError(
                f"The runtime directory cannot be used: {error.strerror}",
                file=folder,
                do="Name another one in the environment variable QDEBUG_RUNTIME.",
            ) from None
        self.folder = folder
        self.build = label or build()
        self.endpoint = folder / f"worker-{self.build}.json"
        self.lock = folder / f"worker-{self.build}.lock"
        self.log = folder / "worker.log"

    def read(self) -> Endpoint | None:
        """Where the compute process said it listens, or None where none has."""
        try:
            return _endpoint.decode(self.endpoint.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, endpoint: Endpoint) -> None:
        """Say where the compute process listens; the file is whole or absent, and only this user can read it."""
        part = self.endpoint.with_suffix(f".{os.getpid()}.part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(endpoint))
        part.replace(self.endpoint)

    def claim(self) -> IO[bytes] | None:
        """The lock of the one compute process, held until the file is closed; None where another one has it."""
        file = self.lock.open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            return None
        return file


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
