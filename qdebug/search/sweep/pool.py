"""Worker processes of this machine, one a core. One that dies costs the task that it was doing, which is done again."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from qdebug.engine import Work
from qdebug.errors import WorkerError
from qdebug.search.sweep import wire
from qdebug.search.sweep.bench import Answer, Task

COMMAND = (sys.executable, "-P", "-m", "qdebug.search.sweep.worker")
TRIES = 3
"""How many workers may die of one task, or of opening the model."""
_LOOK_SECONDS = 0.05
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class _Worker:
    """A process, and a thread that listens to it."""

    def __init__(self, setup: wire.Setup, command: Sequence[str], cache: int, box: _Box) -> None:
        self.task: Task | None = None
        self.ready = False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD, "QDEBUG_CACHE_BYTES": str(cache)},
            start_new_session=True,  # Ctrl-C in the terminal is meant for the sweep
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        self.pid = self._process.pid
        self._listener = threading.Thread(target=self._listen, args=(box,), daemon=True)
        self._listener.start()
        self._say(setup)

    def give(self, task: Task) -> None:
        """Hand over a task."""
        self.task = task
        self._say(task)

    def end(self) -> None:
        """End it at once. It may have ended already."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not yet written is wanted by nobody
                if pipe is not None:
                    pipe.close()

    def _say(self, value: wire.Setup | Task) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died: its listener tells
            self._process.stdin.write(wire.line(value))
            self._process.stdin.flush()

    def _listen(self, box: _Box) -> None:
        assert self._process.stdout is not None
        try:
            for one in self._process.stdout:
                box.put((self, wire.said.decode(one)))
        except (msgspec.MsgspecError, ValueError, OSError):
            box.put((self, None))  # half a line: it died in the middle
            return
        box.put((self, None))


_Box = queue.SimpleQueue[tuple[_Worker, wire.Said | None]]


class Pool:
    """So many worker processes. They start at once, and open the model while the caller does something else.

    Args:
        setup: what they open.
        cores: how many.
        cache: bytes that all of them together may remember.
        command: what starts one.
    """

    def __init__(self, setup: wire.Setup, cores: int, cache: int, command: Sequence[str] = COMMAND) -> None:
        self._setup, self._command, self._cache = setup, command, cache // cores
        self._box: _Box = queue.SimpleQueue()
        self._deaths: Counter[Task | None] = Counter()
        self._workers: list[_Worker] = []
        try:
            for _ in range(cores):
                self._start()
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes' numbers."""
        return tuple(worker.pid for worker in self._workers)

    def run(self, tasks: Sequence[Task], work: Work) -> Iterator[Answer]:
        """See :class:`~qdebug.search.sweep.runners.Runner`.

        Raises:
            WorkerError: workers die again and again.
        """
        waiting, left = deque(tasks), len(tasks)
        while left:
            for worker in self._workers:
                if waiting and worker.ready and worker.task is None:
                    worker.give(waiting.popleft())
            work.check()
            try:
                worker, said = self._box.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if isinstance(said, wire.Failed):
                raise said.error()
            if isinstance(said, wire.Ready):
                worker.ready = True
            elif isinstance(said, wire.Done):
                worker.task = None
                left -= 1
                yield said.answer
            elif worker in self._workers:
                if worker.task is not None:
                    waiting.appendleft(worker.task)
                self._replace(worker)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _start(self) -> None:
        self._workers.append(_Worker(self._setup, self._command, self._cache, self._box))

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()
        self._deaths[worker.task] += 1
        if self._deaths[worker.task] >= TRIES:
            doing = "opening the model" if worker.task is None else "measuring one item"
            raise WorkerError(
                f"{TRIES} workers died {doing}", do="Is there enough memory? Give fewer --cores, or none."
            )
        self._start()
