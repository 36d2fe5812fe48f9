"""A compute process of one's own, with folders of its own, as the web process has it; and uploads into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import qdebug
from qdebug.jobs import Client, connect, stop_worker, uploads

_FOLDERS = ("QDEBUG_RUNTIME", "QDEBUG_UPLOADS", "QDEBUG_WORKSPACE", "QDEBUG_EXPORTS")


@dataclass(frozen=True)
class Served:
    """The compute process and its folders.

    Attributes:
        client: asks it.
        root: the folder that all of its folders lie in; ``root / "outside"`` is for what must not be touched.
    """

    client: Client
    root: Path

    def upload(self, *files: Path) -> Path:
        """Keep files as the app keeps what was dropped on it; gives where the first lies."""
        return uploads.store([(file.name, file.read_bytes()) for file in files])[0]

    def resident(self) -> int:
        """Bytes of memory that the compute process and what it has started hold."""
        return sum(_resident(pid) for pid in family(self.client.pid))


@contextmanager
def served(environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A compute process that ends with the block.

    Args:
        environment: what it gets beside this process's own.
    """
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-", ignore_cleanup_errors=True) as place:
        root = Path(place)
        told = {name: str(root / name.rpartition("_")[2].lower()) for name in _FOLDERS} | dict(environment or {})
        # The compute process imports nothing from where somebody stands; it is to run the code that this process runs.
        code = str(Path(qdebug.__file__).parents[1])
        told["PYTHONPATH"] = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))
        before = {name: os.environ.get(name) for name in told}
        os.environ.update(told)
        (root / "outside").mkdir()
        client = connect()
        try:
            yield Served(client, root)
        finally:
            client.close()
            stop_worker()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [one.name for one in Path(f"/proc/{pid}/task").iterdir() if one.name != str(pid)]
        for thread in threads:
            children += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
