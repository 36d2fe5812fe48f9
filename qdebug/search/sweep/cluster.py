"""A Ray cluster: one actor a core, on as many machines as there are. Ray is optional and is imported only here.

Byte for byte the same results need the same kind of processor on all machines: torch chooses its kernels by it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from qdebug.engine import Work
from qdebug.errors import UsageError, WorkerError
from qdebug.search.sweep import wire
from qdebug.search.sweep.bench import Answer, Task
from qdebug.search.sweep.pool import TRIES

_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_LOOK_SECONDS = 0.1


class Remote:
    """What runs on the cluster's machines. Only JSON goes in and comes out."""

    def __init__(self, setup: bytes) -> None:
        self._setup, self._bench = setup, None

    def measure(self, task: bytes) -> bytes:
        """The answer to a task, or the error that came instead of it, as a line."""
        from qdebug.search.sweep.worker import opened

        try:
            if self._bench is None:
                self._bench = opened(wire.setup.decode(self._setup))
            return wire.line(wire.Done(self._bench.measure(wire.task.decode(task), Work())))
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
            return wire.line(wire.Failed.of(error))


class Cluster:
    """Actors on a Ray cluster. The model's file and the data lie at the same path on each of its machines.

    Args:
        setup: what they open.
        address: ``auto`` for the cluster that this machine belongs to, its address, or ``local`` to start one here.
        cores: how many actors; one for each processor that the cluster has if not given.

    Raises:
        UsageError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, setup: wire.Setup, address: str, cores: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise UsageError("--cluster needs Ray", do="Install it with: pip install 'qdebug[ray]'.") from None
        self._ray: Any = ray
        self._setup = msgspec.json.encode(setup)
        self._owns = not ray.is_initialized()
        if self._owns:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                first = str(error).strip().splitlines()[0]
                raise UsageError(
                    f"There is no Ray cluster at '{address}': {first}", do="Start one with: ray start --head."
                ) from None
        self._actor = ray.remote(Remote)
        many = cores or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._idle: list[Any] = [self._start() for _ in range(many)]
        self._busy: dict[Any, tuple[Any, Task]] = {}
        self._deaths: Counter[Task] = Counter()

    def run(self, tasks: Sequence[Task], work: Work) -> Iterator[Answer]:
        """See :class:`~qdebug.search.sweep.runners.Runner`.

        Raises:
            WorkerError: actors die again and again.
        """
        waiting = deque(tasks)
        while waiting or self._busy:
            while waiting and self._idle:
                actor, task = self._idle.pop(), waiting.popleft()
                self._busy[actor.measure.remote(msgspec.json.encode(task))] = actor, task
            work.check()
            done, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=_LOOK_SECONDS)
            for one in done:
                actor, task = self._busy.pop(one)
                try:
                    said = wire.said.decode(self._ray.get(one))
                except self._ray.exceptions.RayError:
                    self._died(task)
                    waiting.appendleft(task)
                    continue
                self._idle.append(actor)
                if isinstance(said, wire.Failed):
                    raise said.error()
                assert isinstance(said, wire.Done)
                yield said.answer

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        for actor in [*self._idle, *(actor for actor, _ in self._busy.values())]:
            self._ray.kill(actor)
        self._idle.clear()
        self._busy.clear()
        if self._owns:
            self._ray.shutdown()

    def _start(self) -> Any:
        return self._actor.options(num_cpus=1, runtime_env={"env_vars": _ENVIRONMENT}).remote(self._setup)

    def _died(self, task: Task) -> None:
        self._deaths[task] += 1
        if self._deaths[task] >= TRIES:
            raise WorkerError(
                f"{TRIES} of the cluster's workers died measuring one item", do="Have they enough memory?"
            )
        self._idle.append(self._start())
