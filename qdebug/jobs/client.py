"""The half of ``jobs`` that the web process imports: ask, poll, cancel. Torch-free."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import msgspec

from qdebug.errors import BY_NAME, QDebugError, WorkerError
from qdebug.jobs import launch, wire
from qdebug.jobs.runtime import Runtime, default_dir
from qdebug.jobs.verbs import Request, Verb
from qdebug.jobs.wire import Running

A = TypeVar("A")
POLL_SECONDS = 10.0
REPLY_SECONDS = 60.0
"""Beyond the wait that was asked for: only a process that no longer answers takes so long."""
MOST_IDLE = 32
MOST_DEATHS = 3
"""Deaths in a row, with a question under way in each, that it is blamed for. With many people asking, one is chance."""
LEFT_ALONE = 5.0
"""Seconds without a look after which nobody waits for a question any more, and no death is its fault."""

# Made here, not at the first answer: msgspec looks into a class when it first meets it, and two threads that make it do
# so at once end the process (seen with msgspec 0.22, eight threads).
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind.answer_type()) for kind in get_args(Request)
}


class WorkerFault(Exception):  # noqa: N818 - a fault of ours, apart from the errors people can mend
    """A fault of ours in the compute process. Its text is fit for a screen; the traceback is in the worker's log."""


class Client:
    """Asks the compute process of a runtime directory. One object serves all sessions of a web process, any thread.

    The compute process is started where there is none, and again where it died; then the question is asked again.

    Args:
        runtime: where the process is found.
        command: what starts it.
    """

    def __init__(self, runtime: Runtime, command: Sequence[str] = launch.COMMAND) -> None:
        self._runtime = runtime
        self._command = command
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._idle: list[socket.socket] = []
        self._instance = ""
        #: Every run of the process that was met, by its place: threads may hear of an older one after a newer one.
        self._runs: dict[str, int] = {}
        self._pid = 0
        self._restarts = 0
        self._closed = False
        #: Questions under way: the run of the process that works on them, how many runs they have outlived, and when
        #: somebody looked for them last.
        self._under_way: OrderedDict[bytes, tuple[int, int, float]] = OrderedDict()

    @property
    def restarts(self) -> int:
        """How many times the compute process was found to have been started anew."""
        return self._restarts

    @property
    def pid(self) -> int:
        """The process id of the compute process that answered last; 0 before that."""
        return self._pid

    def ask(self, request: Verb[A], wait: float = 0.4, *, asker: str = "", seen: str = "") -> A | Running:
        """Start the job, or attach to it: the same question is the same job, whoever asks.

        Args:
            request: the question.
            wait: seconds to wait for the answer at most.
            asker: who waits, such as a session's id. A job is cancelled when the last of its askers cancels; without a
                name all are one.
            seen: the mark of the partial answer that is at hand already; the same one is not sent twice.

        Returns:
            The answer, or how far it is, with what is known so far (:meth:`part`); then ask again.

        Raises:
            QDebugError: what the question met, as the same class that it was raised as there.
            WorkerFault: a fault of ours.
            WorkerError: the compute process does not start, or this question has ended it more than once.
        """
        key, begun = msgspec.msgpack.encode(request), time.monotonic()
        reply, instance = self._exchange(wire.Ask(cast(Request, request), wait, asker, seen), wait)
        match reply:
            case Running():
                self._note_under_way(key, instance, reply, asker, begun)
                return reply
            case wire.Done(answer):
                self._under_way.pop(key, None)
                return cast(A, _decoders[type(request)].decode(answer))
            case _:
                self._under_way.pop(key, None)
                raise _error(reply)

    def part(self, request: Verb[A], running: Running) -> A | None:
        """The partial answer that came with a reply; None where none did."""
        return cast(A, _decoders[type(request)].decode(running.part)) if running.part else None

    def get(self, request: Verb[A], timeout: float | None = None, *, asker: str = "") -> A:
        """The answer, waited for.

        Args:
            request: the question.
            timeout: seconds, or None to wait for as long as it takes.
            asker: as for :meth:`ask`.

        Raises:
            WorkerError: not there in time; the job goes on. Otherwise as :meth:`ask`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
            found = self.ask(request, max(0.0, min(POLL_SECONDS, left)), asker=asker)
            if not isinstance(found, Running):
                return found
            if left <= 0:
                raise WorkerError(f"No answer after {timeout:g} s", do="The computation goes on; ask again.")

    def cancel(self, job: str, *, asker: str = "") -> None:
        """``asker`` no longer waits for the job; it stops if nobody else does."""
        self._exchange(wire.Cancel(job, asker))

    def finish(self, job: str, *, asker: str = "") -> bool:
        """Let a job end with the best so far; False where somebody else waits for all of it, and it goes on."""
        reply, _ = self._exchange(wire.Finish(job, asker))
        return not isinstance(reply, wire.Refused)

    def vitals(self) -> wire.Vitals | None:
        """What the compute process has at hand; None where it says something else.

        Raises:
            WorkerError: it does not answer.
        """
        reply, _ = self._exchange(wire.Look())
        return reply if isinstance(reply, wire.Vitals) else None

    def hold(self) -> None:
        """Keep the compute process for the program that replaces this one (``exec``): its connection stays open."""
        with self._lock:
            for connection in self._idle:
                connection.set_inheritable(True)

    def close(self) -> None:
        """Hang up. The compute process ends by itself some seconds after its last client."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(self, message: wire.Message, wait: float = 0.0) -> tuple[wire.FromWorker, str]:
        """One message there and one back, and which run of the process gave it; once more if that run has ended."""
        for attempt in (1, 2):
            connection, instance = self._take()
            try:
                connection.settimeout(wait + REPLY_SECONDS)
                wire.send(connection, message)
                reply = wire.receive_from_worker(connection)
            except (OSError, wire.FrameError) as error:
                connection.close()
                self._forget(instance)
                if attempt == 1 and not isinstance(error, TimeoutError | wire.FrameError):
                    continue
                raise WorkerError(
                    f"The compute process did not answer: {error}",
                    do="Try again; if it ends every time, open a smaller model or fewer samples.",
                ) from None
            self._give_back(connection, instance)
            return reply, instance
        raise AssertionError("unreachable")

    def _take(self) -> tuple[socket.socket, str]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), self._instance
        found = launch.find(self._runtime)
        if found is None:
            with self._starting:  # the others find what the first one started
                found = launch.find_or_start(self._runtime, self._command)
        connection, welcome = found
        with self._lock:
            if welcome.instance not in self._runs:
                self._restarts += bool(self._runs)
                self._runs[welcome.instance] = len(self._runs)
                self._instance, self._pid = welcome.instance, welcome.pid
                stale, self._idle = self._idle, []
            else:
                stale = []
        for old in stale:
            old.close()
        return connection, welcome.instance

    def _give_back(self, connection: socket.socket, instance: str) -> None:
        with self._lock:
            if instance == self._instance and len(self._idle) < MOST_IDLE and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _forget(self, instance: str) -> None:
        """Close the idle connections to a run that has ended."""
        with self._lock:
            if instance != self._instance:
                return
            stale, self._idle = self._idle, []
        for connection in stale:
            connection.close()

    def _note_under_way(self, key: bytes, instance: str, running: Running, asker: str, begun: float) -> None:
        """Remember which run works on it; a question that outlives too many runs is the likely cause of their end."""
        with self._lock:
            run = self._runs[instance]
            before, deaths, looked = self._under_way.pop(key, (run, 0, begun))
            deaths = deaths + (run > before) if begun - looked < LEFT_ALONE else 0
            if deaths < MOST_DEATHS:
                self._under_way[key] = (max(run, before), deaths, time.monotonic())
                while len(self._under_way) > 1024:
                    self._under_way.popitem(last=False)
                return
        self.cancel(running.job, asker=asker)
        raise WorkerError(
            f"The compute process ended {deaths} times while it worked on this",
            file=self._runtime.log,
            do="Change the recipe or open a smaller model; the file's last lines may say why.",
        )


def connect(runtime_dir: Path | None = None, command: Sequence[str] = launch.COMMAND) -> Client:
    """A client whose compute process runs.

    Args:
        runtime_dir: where it is found; ``$QDEBUG_RUNTIME`` or a folder of this user's without it.
        command: what starts it.

    Raises:
        WorkerError: it does not start.
    """
    client = Client(Runtime(runtime_dir or default_dir()), command)
    client._give_back(*client._take())
    return client


def stop_worker(runtime_dir: Path | None = None) -> None:
    """End the compute process of a runtime directory, if there is one, and wait until it is gone."""
    runtime = Runtime(runtime_dir or default_dir())
    found = launch.find(runtime)
    if found is None:
        return
    connection, _ = found
    with connection:
        wire.send(connection, wire.Stop())
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline and runtime.endpoint.exists():
            time.sleep(0.02)


def _error(reply: Any) -> Exception:
    match reply:
        case wire.Failed(kind, what, do, where):
            return BY_NAME.get(kind, QDebugError)(what, do=do, **where)
        case wire.Fault(text):
            return WorkerFault(text)
        case _:
            return WorkerFault(f"the compute process answered with {type(reply).__name__}")
