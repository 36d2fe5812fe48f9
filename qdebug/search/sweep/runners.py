"""Where tasks are run: in this process; others have worker processes or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from qdebug.engine import Work
from qdebug.search.sweep.bench import Answer, Bench, Task


class Runner(Protocol):
    """Runs tasks and hands over answers as they come, in any order."""

    def run(self, tasks: Sequence[Task], work: Work) -> Iterator[Answer]:
        """The answers to all tasks.

        Raises:
            Cancelled: somebody asked for a stop.
            QDebugError: a task or a worker failed.
        """
        ...

    def close(self) -> None:
        """End whatever was started."""
        ...


class Here:
    """This process, a few tasks after the other."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def run(self, tasks: Sequence[Task], work: Work) -> Iterator[Answer]:
        """See :class:`Runner`."""
        done = 0
        while done < len(tasks):
            with work.as_one_step():
                answers = self._bench.measure_some(tasks[done:], work)
            done += len(answers)
            yield from answers

    def close(self) -> None:
        """Nothing was started."""
