"""The parent's half: start the child, ask it, end it, and say in our own words what became of it."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from qdebug.doors.confined.limits import Limits
from qdebug.doors.confined.messages import LOG
from qdebug.doors.confined.process import end, environment, last_words, short
from qdebug.errors import ModelError
from qdebug.verify.apart import wire

COMMAND = (sys.executable, "-P", "-m", "qdebug.verify.apart.child")
TITLES: dict[wire.Kind, str] = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
_LOOK_SECONDS = 0.02
_DIES_SECONDS = 5.0
_log = logging.getLogger(__name__)
_Got = tuple[wire.Answer, dict[str, np.ndarray]]


class Child:
    """A runtime in a process of its own.

    Args:
        kind: which one.
        name: the model's, for messages.
        limits: what it may cost.
        check: called often; raises where the work is to stop, which ends the child.
        command: what starts it.

    Attributes:
        folder: a folder of the child's own, gone when it is.
    """

    def __init__(
        self, kind: wire.Kind, name: str, limits: Limits, check: Callable[[], None], command: Sequence[str] = COMMAND
    ) -> None:
        self.kind: wire.Kind = kind
        self._name, self._limits, self._check = name, limits, check
        self.folder = Path(tempfile.mkdtemp(prefix="qdebug-run-"))  # for this user's eyes only
        task = wire.Task(kind, os.getpid(), limits)
        try:
            with (self.folder / LOG).open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, msgspec.json.encode(task).decode()],
                    # a pool of memory for each thread would be counted as memory that is used
                    env={**environment(str(self.folder)), "MALLOC_ARENA_MAX": "2"}, cwd=self.folder,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def ask(self, asked: wire.Asked, arrays: Mapping[str, np.ndarray] | None = None) -> _Got:
        """The answer to a question.

        Raises:
            ModelError: the runtime refuses or fails, the child dies, takes too long, or says what makes no sense.
            QDebugError: what ``check`` raises.
        """
        box: queue.SimpleQueue[_Got | Exception] = queue.SimpleQueue()
        # A pipe is not waited for with a time limit on every system; a queue is.
        threading.Thread(target=self._talk, args=(asked, arrays, box), daemon=True).start()
        try:
            found = self._waited(box)
        except BaseException:
            self.end()
            raise
        if isinstance(found, Exception):
            self._told(found)
        if isinstance(found[0], wire.Failed):
            raise self._failure(found[0])
        return found

    def end(self) -> None:
        """End it at once. It may have ended already."""
        if self._process.returncode is None:  # else its number may be somebody else's by now
            end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                continue  # what was not yet written is wanted by nobody
        shutil.rmtree(self.folder, ignore_errors=True)

    def nonsense(self) -> NoReturn:
        """End it, because an answer is none to the question.

        Raises:
            ModelError: always.
        """
        self.end()
        raise ModelError(
            f"What {TITLES[self.kind]} handed back could not be read safely", file=self._name,
            do="Write the model again with a current exporter and retry.",
        )  # fmt: skip

    def _talk(
        self, asked: wire.Asked, arrays: Mapping[str, np.ndarray] | None, box: queue.SimpleQueue[_Got | Exception]
    ) -> None:
        try:
            assert self._process.stdin is not None and self._process.stdout is not None
            wire.send(self._process.stdin, asked, arrays)  # type: ignore[arg-type]
            box.put(wire.receive(self._process.stdout, wire.Answer, self._limits.memory))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
            box.put(error)

    def _waited(self, box: queue.SimpleQueue[_Got | Exception]) -> _Got | Exception:
        deadline = time.monotonic() + self._limits.wall
        while True:
            self._check()
            try:
                return box.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise ModelError(
                        f"{TITLES[self.kind]} gives no answer for {self._limits.wall} s", file=self._name,
                        do="Give fewer samples or a smaller model; a damaged one can take for ever.",
                    ) from None  # fmt: skip

    def _told(self, error: Exception) -> NoReturn:
        """Say why there is no answer: the child has died, or what it says is no message."""
        try:
            status = self._process.wait(_DIES_SECONDS) if isinstance(error, EOFError | OSError) else 0
        except subprocess.TimeoutExpired:
            status = 0
        _log.info("%s for %s ended with status %d: %s", self.kind, self._name, status, last_words(self.folder))
        if not status:
            self.nonsense()
        self.end()
        how = f"status {status}"
        if status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        raise ModelError(
            f"The model ended the process that ran it in {TITLES[self.kind]} ({how})", file=self._name,
            do="It is damaged, or made to do harm: write it again with a current exporter.",
        )  # fmt: skip

    def _failure(self, failed: wire.Failed) -> ModelError:
        if failed.memory:
            most = self._limits.memory // 2**20
            return ModelError(
                f"{TITLES[self.kind]} needs more than {most} MiB of memory", file=self._name,
                do="Give fewer samples or a smaller model.",
            )  # fmt: skip
        return ModelError(short(failed.what), do=short(failed.do))
