"""The app as a process of its own: on a free port, waited for, and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str], seconds: float = 120.0
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is ready, stands where the project lies, and ends with the block.

    Args:
        command: that starts it.
        port: where it will listen.
        log: the file that gets what it says.
        environment: its variables, beside this process's.
        seconds: it may take to be ready.

    Raises:
        RuntimeError: it is not ready by then, or has ended; the message ends with what it said.
    """
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=out)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server, log, seconds)
        yield server
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the app is not ready:\n{log.read_text(errors='replace')}")
