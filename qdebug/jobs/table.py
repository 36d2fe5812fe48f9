"""The job table: equal questions are one job, whoever asks; it shows progress, can be cancelled, and remembers answers.

While a job runs it may show what it knows so far; whoever polls gets the newest such part once. A person's session is
an *asker*. A job stops when the last asker who waits for it cancels, when nobody has looked for it for two minutes, or
sooner where somebody else's job waits for its thread. Finished answers are kept, encoded, under a budget; errors are
told to everyone who waited and then forgotten.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from qdebug.errors import Cancelled, ModelError, QDebugError
from qdebug.jobs import wire
from qdebug.jobs.logs import resident
from qdebug.jobs.part import Part
from qdebug.jobs.verbs import Lane, Request
from qdebug.machine import FULL, FULL_DO, says_full
from qdebug.results import Progress

if TYPE_CHECKING:
    from qdebug.engine.work import Work

LANES: dict[Lane, int] = {"quick": 4, "open": 2, "slow": 2}
"""Threads per lane. torch lets go of the interpreter while it computes, so a few more than cores do no harm."""
PATIENCE = 10.0
"""Seconds after its last call during which an asker counts as waiting: it polls."""
ABANDONED = 120.0
"""Seconds without any asker after which a job is stopped."""
KEPT_BYTES = 64 * 2**20
KEPT_ENTRIES = 4096

_log = logging.getLogger(__name__)
Outcome = wire.Done | wire.Failed | wire.Fault


class Handlers(Protocol):
    """What answers the questions."""

    def key(self, request: Request) -> bytes:
        """Equal for questions with the same answer."""
        ...

    def lane(self, request: Request) -> Lane:
        """Which threads should answer it."""
        ...

    def answer(self, request: Request, work: Work) -> object:
        """The answer, of the verb's answer type."""
        ...


class Job:
    """One question on its way to an answer."""

    def __init__(self, key: bytes, request: Request, lane: Lane) -> None:
        self.key = key
        self.lane: Lane = lane
        self.name = key.hex()
        self.request = request
        self.work: Work | None = None
        self.progress = Progress(done=0, total=0, text="waiting")
        self.part = Part()
        self.started = time.monotonic()
        self.askers: dict[str, float] = {}
        self.outcome: Outcome | None = None
        self.cancelled = False
        self.done = threading.Event()

    def report(self, progress: Progress) -> None:
        """Called from the thread that works."""
        self.progress = progress

    def waited_for(self, within: float) -> bool:
        """Whether some asker waits, or did within so many seconds."""
        return max(self.askers.values(), default=0.0) + within > time.monotonic()


class Table:
    """All jobs. Safe from any thread.

    Args:
        handlers: what answers the questions.
    """

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._lock = threading.Lock()
        self._running: dict[bytes, Job] = {}
        #: Done, and not told to every asker yet.
        self._untold: dict[bytes, Job] = {}
        self._kept: OrderedDict[bytes, wire.Done] = OrderedDict()
        self._kept_bytes = 0
        self._lanes = {lane: ThreadPoolExecutor(threads, f"qdebug-{lane}") for lane, threads in LANES.items()}

    def ask(self, request: Request, wait: float, asker: str, seen: str = "") -> Outcome | wire.Running:
        """The outcome, or, after ``wait`` seconds without one, how far it is and a part newer than ``seen``."""
        deadline = time.monotonic() + wait
        key = self._handlers.key(request)
        while True:
            found = self._find_or_start(key, request, asker, deadline)
            if not isinstance(found, Job):
                return found
            if not found.done.wait(max(0.0, deadline - time.monotonic())):
                part, mark = found.part.newer_than(seen)
                seconds = time.monotonic() - found.started
                return wire.Running(found.name, found.progress, seconds, part, mark)
            if not found.cancelled or asker not in found.askers:
                with self._lock:
                    self._tell(found, asker)
                assert found.outcome is not None
                return found.outcome
            # Somebody else's cancel took the job away while we were waiting for it: start it again.

    def cancel(self, name: str, asker: str) -> None:
        """``asker`` no longer waits; the job stops if nobody else does. A job that is not running is left alone."""
        with self._lock:
            job = next((job for job in self._running.values() if job.name == name), None)
            if job is not None:
                job.askers.pop(asker, None)
                if not job.waited_for(PATIENCE):
                    self._stop(job)

    def finish(self, name: str, asker: str) -> bool:
        """Let a job end with the best so far, which is no answer to keep; False where others wait for all of it."""
        with self._lock:
            job = next((job for job in self._running.values() if job.name == name), None)
            if job is None or job.work is None:
                return True
            others = [last for other, last in job.askers.items() if other != asker]
            if max(others, default=0.0) + PATIENCE > time.monotonic():
                return False
            job.work.finish()
            return True

    def vitals(self) -> wire.Vitals:
        """How many jobs run and wait, by lane, and how many answers are kept."""
        with self._lock:
            running, waiting = (
                {lane: sum(job.lane == lane and (job.work is not None) is at_work for job in self._running.values())
                 for lane in LANES}
                for at_work in (True, False)
            )  # fmt: skip
            return wire.Vitals(running, waiting, len(self._kept), resident())

    def sweep(self) -> None:
        """Stop jobs that nobody waits for, and forget outcomes that nobody fetched. Called now and then."""
        with self._lock:
            wanted = {job.lane for job in self._running.values() if job.work is None and job.waited_for(PATIENCE)}
            for job in list(self._running.values()):
                if not job.waited_for(PATIENCE if job.lane in wanted else ABANDONED):
                    self._stop(job)
            self._untold = {key: job for key, job in self._untold.items() if job.waited_for(ABANDONED)}

    def _find_or_start(self, key: bytes, request: Request, asker: str, until: float) -> Job | wire.Done:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            untold = self._untold.get(key)
            if untold is not None and asker in untold.askers:
                return untold
            job = self._running.get(key)
            if job is None:
                job = self._running[key] = Job(key, request, self._handlers.lane(request))
                self._lanes[job.lane].submit(self._work, job)
            job.askers[asker] = max(until, job.askers.get(asker, 0.0))
            return job

    def _work(self, job: Job) -> None:
        """In a lane's thread: from question to outcome, whatever happens."""
        try:
            from qdebug.engine.work import Work  # here, because the engine brings torch
            from qdebug.graph.turns import checked_by

            work = Work(job.report, job.part.show)
            with self._lock:
                job.work = work
            if job.cancelled:
                return
            with checked_by(work.check):
                answer = msgspec.msgpack.encode(self._handlers.answer(job.request, work))
            if len(answer) > wire.LARGEST // 2:
                raise wire.FrameError(f"an answer of {len(answer)} bytes")
            outcome: Outcome = wire.Done(msgspec.Raw(answer))
        except QDebugError as error:
            outcome = wire.Failed(type(error).__name__, error.what, error.do, error.where)
        except BaseException as error:  # noqa: BLE001 - a job without an outcome would be waited for for ever
            outcome = (full if says_full(error) else fault)(type(job.request).__name__, error)
        with self._lock:
            self._finish(job, outcome)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        whole = job.work is None or not job.work.was_finished
        if isinstance(outcome, wire.Done) and job.request.kept and whole:
            self._keep(job.key, outcome)
        if job.cancelled:
            return
        job.outcome = outcome
        self._running.pop(job.key, None)
        if job.key not in self._kept:
            self._untold[job.key] = job
        job.done.set()

    def _stop(self, job: Job) -> None:
        """Take the job off the table at once; its thread follows at its next check."""
        job.cancelled = True
        if job.work:
            job.work.cancel()
        gone = Cancelled()
        job.outcome = wire.Failed(type(gone).__name__, gone.what, gone.do, gone.where)
        self._running.pop(job.key, None)
        job.done.set()

    def _tell(self, job: Job, asker: str) -> None:
        job.askers.pop(asker, None)
        if not job.askers and self._untold.get(job.key) is job:
            del self._untold[job.key]

    def _keep(self, key: bytes, done: wire.Done) -> None:
        self._kept[key] = done
        self._kept_bytes += len(bytes(done.answer))
        while self._kept_bytes > KEPT_BYTES or len(self._kept) > KEPT_ENTRIES:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(bytes(dropped.answer))


def fault(doing: str, error: BaseException) -> wire.Fault:
    """Log a fault of ours with its traceback; the words for the screen name the log's entry and hold nothing else."""
    entry = secrets.token_hex(3)
    _log.error("fault", exc_info=error, extra={"said": {"entry": entry, "question": doing}})
    return wire.Fault(
        f"qdebug failed in {doing} ({type(error).__name__}); entry {entry} of the worker's log says where"
    )


def full(doing: str, error: BaseException) -> wire.Failed:
    """What is said where there was no memory for a thread, or for what no step of a model asks for."""
    _log.warning("no memory", exc_info=error, extra={"said": {"question": doing}})
    return wire.Failed(ModelError.__name__, FULL, FULL_DO, {})
