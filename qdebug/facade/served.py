"""The app, served for as long as this process lives or somebody wants it."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import time
import urllib.request
import webbrowser

from qdebug.cli.app import check_address, command
from qdebug.errors import WorkerError
from qdebug.jobs.folders import private
from qdebug.places import app_script
from qdebug.results import ModelRef
from qdebug.search.sweep.journal import workspace

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Served:
    """The app as it is being served on this machine. A context manager: it stops at the end.

    Attributes:
        url: where.
        ref: what is open in it.
    """

    def __init__(self, url: str, ref: ModelRef, process: subprocess.Popen[bytes]) -> None:
        self.url, self.ref, self._process = url, ref, process
        atexit.register(self.stop)

    def __repr__(self) -> str:
        return f"<qdebug app on {self.url}: {self.ref.model}{'' if self.is_running else ', stopped'}>"

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it is still being served."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait until it is stopped, as a script does that has nothing else to do; Ctrl-C stops it."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self.stop()

    def stop(self) -> None:
        """End it, if it has not ended yet."""
        atexit.unregister(self.stop)
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def serve(ref: ModelRef, port: int | None = None, *, open_browser: bool = True) -> Served:
    """Serve the app with a model open in it, and return as soon as it answers.

    Args:
        ref: the model.
        port: a free one if not given.
        open_browser: whether a browser is pointed at it.

    Raises:
        UsageError: the port is in use, or is none.
        WorkerError: the server does not start.
    """
    port = _free_port() if port is None else port
    check_address(HOST, port)
    given = {"QDEBUG_MODEL": ref.model, "QDEBUG_DATA": ref.data, "QDEBUG_CALIB": ref.calib, "QDEBUG_TRAIN": ref.train,
             "QDEBUG_METRIC": ref.metric, "QDEBUG_WINDOW": ref.window and str(ref.window),
             "QDEBUG_TOKENS": ref.tokens and str(ref.tokens)}  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name not in given}
    environment |= {name: value for name, value in given.items() if value}
    log = private(workspace()) / "app.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(app_script(), HOST, port), env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,  # Ctrl-C is meant for what this process does
        )  # fmt: skip
    served = Served(f"http://{HOST}:{port}", ref, process)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(served.url):
        if not served.is_running or time.monotonic() > deadline:
            served.stop()
            raise WorkerError("The app does not start", file=log, do="The file's last lines say why.")
        time.sleep(0.1)
    if open_browser:
        webbrowser.open(served.url)
    return served


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port
