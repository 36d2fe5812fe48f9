"""Finding the compute process, and starting it where there is none. Torch-free."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from qdebug.errors import WorkerError
from qdebug.jobs import wire
from qdebug.jobs.runtime import Endpoint, Runtime

# -P: nothing in the folder where somebody happens to stand is imported.
COMMAND = (sys.executable, "-P", "-m", "qdebug.jobs.worker")
START_SECONDS = 60.0
CONNECT_SECONDS = 5.0
LARGEST_LOG = 2**20


def environment() -> dict[str, str]:
    """The compute process's environment; the place where allocator and thread settings go."""
    return dict(os.environ)


def open_connection(endpoint: Endpoint, build: str) -> tuple[socket.socket, wire.Welcome]:
    """A greeted connection.

    Raises:
        OSError: nobody listens there, or somebody else does.
        FrameError: what listens there is not ours.
    """
    connection = socket.create_connection(("127.0.0.1", endpoint.port), timeout=CONNECT_SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.send(connection, wire.Hello(build, endpoint.token))
        reply = wire.receive_from_worker(connection)
        if not isinstance(reply, wire.Welcome):
            raise ConnectionRefusedError(reply.reason if isinstance(reply, wire.Refused) else "no greeting")
    except BaseException:
        connection.close()
        raise
    return connection, reply


def find(runtime: Runtime) -> tuple[socket.socket, wire.Welcome] | None:
    """A connection to the compute process that runs, or None where none answers."""
    endpoint = runtime.read()
    if endpoint is None:
        return None
    try:
        return open_connection(endpoint, runtime.build)
    except (OSError, wire.FrameError):
        return None


def find_or_start(runtime: Runtime, command: Sequence[str] = COMMAND) -> tuple[socket.socket, wire.Welcome]:
    """A connection to the compute process of the directory.

    Several clients may do this at once: each starts a process, the lock in the directory lets one of them serve, and
    the others end at once.

    Raises:
        WorkerError: it does not start.
    """
    deadline = time.monotonic() + START_SECONDS
    process: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline:
        if found := find(runtime):
            return found
        if process is None or process.poll() == 0:
            process = _start(runtime, command)
        elif process.poll() is not None:
            raise WorkerError(
                f"The compute process ended with status {process.returncode} while it started",
                file=runtime.log,
                do="The file's last lines say why.",
            )
        time.sleep(0.02)
    raise WorkerError(
        f"The compute process does not answer after {START_SECONDS:.0f} s",
        file=runtime.log,
        do="The file's last lines say why; on a busy machine, try again.",
    )


class _Outliving(subprocess.Popen[bytes]):
    """A process that may outlive this one on purpose, so that nothing warns of it."""

    def __del__(self) -> None:
        """Leave it alone."""


#: Kept, so that those that ended can be reaped.
_started: list[_Outliving] = []


def _start(runtime: Runtime, command: Sequence[str]) -> subprocess.Popen[bytes]:
    _started[:] = [process for process in _started if process.poll() is None]
    if runtime.log.exists() and runtime.log.stat().st_size > LARGEST_LOG:
        runtime.log.replace(runtime.log.with_suffix(".log.old"))
    with runtime.log.open("ab") as log:
        process = _Outliving(
            [*command, "--runtime", str(runtime.folder), "--build", runtime.build],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal is meant for the app; the compute process sees its connections close.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    _started.append(process)
    return process
