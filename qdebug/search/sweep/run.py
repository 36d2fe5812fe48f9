"""The sweep: items in rounds over growing parts of the data, from the journal or measured, here or by workers."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from qdebug.engine import Work
from qdebug.errors import WorkerError
from qdebug.results import Metric, Order, SweepPlan
from qdebug.results.sensitivity import Measure
from qdebug.search.sweep import race
from qdebug.search.sweep.bench import Answer, Bench, Task
from qdebug.search.sweep.book import Book
from qdebug.search.sweep.foretold import Foretold
from qdebug.search.sweep.items import Item
from qdebug.search.sweep.keys import key
from qdebug.search.sweep.plan import How, planned
from qdebug.search.sweep.runners import Here, Runner
from qdebug.search.sweep.samples import Samples, identity
from qdebug.search.sweep.wire import Setup, located
from qdebug.session import Session

_TOGETHER = 0.07
"""Seconds: what was measured within so short a time goes into the journal at once. With what a bench measures together
that is a tenth of a second, and a kill costs no more."""


class Sweep:
    """Items measured on one session's data.

    Answers depend on nothing but item and part of the data, whoever measures them in whatever order; what is decided
    on them, is decided when all of a round are there. So every way of running gives the same numbers.

    Args:
        session: the model with its data.
        how: how it is run.
    """

    def __init__(self, session: Session, how: How) -> None:
        how.check(session.subject.is_strange)
        self._session, self._how = session, how
        self.samples = Samples(session.subject)
        self._identity = identity(session, self.samples)
        self._kept: dict[Task, Answer] = {}
        self._unwritten: list[tuple[str, bytes, float]] = []
        self._written = time.monotonic()

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """What measures; whatever it starts ends with the context."""
        how = self._how
        if how.is_here:
            found: Runner = Here(Bench(self._session, self.samples))
        else:
            assert how.ref is not None
            setup = Setup(located(how.ref), self._identity)
            if how.cluster is not None:
                from qdebug.search.sweep.cluster import Cluster

                found = Cluster(setup, how.cluster, how.cores if how.cores > 1 else None)
            else:
                from qdebug.search.sweep.pool import Pool

                found = Pool(setup, how.cores, self._session.subject.engine.cache.budget)
        try:
            yield found
        finally:
            found.close()

    def book(
        self, items: Sequence[Item], reference: Metric, measure: Measure = "squared", foretold: Foretold | None = None
    ) -> Book:
        """An empty book for items; ``reference`` is the float model's metric."""
        return Book(items, self.samples, reference.name, measure, foretold)

    def plan(self, book: Book, forward_seconds: float) -> SweepPlan:
        """What measuring costs, without what the journal has."""
        sizes = [self.samples.part_of(first, last) for first, last in self.samples.parts]
        kept = left = 0.0
        for place, item in enumerate(book.items):
            for part, size in enumerate(sizes):
                if self._recalled(book.task(place, part)) is None:
                    left += item.passes * size
                else:
                    kept += item.passes * size
        return planned(book.items, self.samples, self._how, forward_seconds, left, kept)

    def recall(self, book: Book) -> Iterator[int]:
        """Put down what the journal has; hands over the place of each item that it has anything of."""
        for place in range(len(book.items)):
            before = book.parts(place)
            while not book.whole(place) and (found := self._recalled(book.task(place))) is not None:
                book.note(found)
            if book.parts(place) > before:
                yield place

    def is_recalled(self, book: Book) -> bool:
        """Whether the journal has all that a run would measure; an empty book is then as the run would leave it."""
        for part in range(len(self.samples.parts)):
            while going := [place for place in self._going(book, part) if book.parts(place) <= part]:
                found = [self._recalled(book.task(place)) for place in going]
                if None in found:
                    return False
                for one in found:
                    assert one is not None
                    book.note(one)
        return True

    def go(self, runner: Runner, book: Book, plan: SweepPlan, work: Work) -> Generator[int, None, None]:
        """Measure; hands over the place of each item that is known better, as it comes.

        Raises:
            Cancelled: somebody asked for a stop. What was measured is in the journal.
            QDebugError: a recipe does not fit, workers die, or the journal cannot be written.
        """
        clock = _Clock(plan)
        try:
            for part in range(len(self.samples.parts)):
                going = self._going(book, part)
                while going:
                    yield from self._round(runner, book, going, clock, work)
                    # A race may call back an item that had stopped: its place is taken by one that went on.
                    going = [place for place in self._going(book, part) if book.parts(place) <= part]
        finally:
            self._write()

    def order(self, book: Book) -> Order | None:
        """How sure the order of what was measured is; None where nothing was."""
        if not book.items:
            return None
        ties: list[tuple[str, str, str]] = []
        settled = True
        for name, (competition, layers) in self._competitions(book).items():
            errors = {layer: book.errors(place) for layer, place in layers.items()}
            for one, two, verdict in competition.verdicts(errors):
                ties += [(name, one, two)] if verdict == "tie" else []
                settled &= verdict != "open"
        exact = all(book.whole(place) for place, item in enumerate(book.items) if item.kind == "alone")
        return Order(settled=settled, confidence=1.0 if exact else self._how.confidence, ties=tuple(ties))

    def _going(self, book: Book, part: int) -> list[int]:
        """The items that have to be measured on a part, those of the first rounds first."""
        if part == 0 or self._how.until == "all":
            return [place for place in range(len(book.items)) if book.parts(place) <= part]
        going = {place for place, item in enumerate(book.items) if item.kind != "alone"}
        for competition, layers in self._competitions(book).values():
            errors = {layer: book.errors(place) for layer, place in layers.items()}
            found = competition.verdicts(errors)
            going |= {layers[layer] for layer in race.behind(found, errors)}
        return sorted(place for place in going if not book.whole(place))

    def _competitions(self, book: Book) -> dict[str, tuple[race.Race, dict[str, int]]]:
        """The layers of each format and their places."""
        places: dict[str, dict[str, int]] = {}
        for place, item in enumerate(book.items):
            if item.kind == "alone":
                places.setdefault(item.format, {})[item.layer] = place
        looks, count = len(self.samples.parts) - 1, self.samples.count
        found: dict[str, tuple[race.Race, dict[str, int]]] = {}
        for name, layers in places.items():
            predicted = {layer: partial(book.predicted, place) for layer, place in layers.items()}
            found[name] = race.Race(count, looks, len(layers), self._how.confidence, predicted), layers
        return found

    def _round(self, runner: Runner, book: Book, going: Sequence[int], clock: _Clock, work: Work) -> Iterator[int]:
        """The next part of some items: what the journal has at once, then the others as they come."""
        todo: list[Task] = []
        done = 0
        for task in [book.task(place) for place in going]:
            found = self._recalled(task)
            if found is None:
                todo.append(task)
                continue
            book.note(found)
            done += 1
            yield task.number
        tasks = {task.number: task for task in todo}
        self._tell(book, going[0], done, len(going), clock, work)
        for answer in runner.run(todo, work):
            task = tasks.pop(answer.number)
            self._remember(task, answer)
            book.note(answer)
            done += 1
            clock.tick(book.items[task.number].passes * self.samples.part_of(task.first, task.last))
            yield task.number
            self._tell(book, next(iter(tasks), task.number), done, len(going), clock, work)

    def _tell(self, book: Book, place: int, done: int, total: int, clock: _Clock, work: Work) -> None:
        item = book.items[place]
        what = {"alone": f"{item.layer} alone", "without": f"all but {item.layer}", "whole": "all layers"}[item.kind]
        seen = self.samples.ends[min(book.parts(place), len(self.samples.ends) - 1)]
        part = f"{seen} of {self.samples.count} samples"
        work.step(done, total, f"measuring {what} in {item.format}, {part}{clock.left()}")

    def _recalled(self, task: Task) -> Answer | None:
        """What the journal has, if that is as many numbers as there should be."""
        journal = self._how.journal
        if task in self._kept or journal is None:
            return self._kept.get(task)
        found = journal.get(key(self._identity, task))
        if found is None or len(found[0]) != self._length(task):
            return None
        answer = self._kept[task] = Answer(task.number, *found)
        return answer

    def _remember(self, task: Task, answer: Answer) -> None:
        if len(answer.numbers) != self._length(task):
            raise WorkerError("A worker's answer has another length than was asked for", do="Start the sweep again.")
        if self._how.journal is not None:
            self._unwritten.append((key(self._identity, task), answer.numbers, answer.seconds))
            if time.monotonic() - self._written > _TOGETHER:
                self._write()

    def _length(self, task: Task) -> int:
        """Bytes of the answer to a task."""
        count = sum(batch.count for batch in self.samples.batches[task.first : task.last])
        return 8 * (2 + count * (1 + task.sums))

    def _write(self) -> None:
        """Hand what was measured to the journal."""
        entries, self._unwritten, self._written = self._unwritten, [], time.monotonic()
        if self._how.journal is not None and entries:
            self._how.journal.put_all(entries)


class _Clock:
    """Tells how long it will still take, from what was measured so far."""

    def __init__(self, plan: SweepPlan) -> None:
        self._plan, self._start, self._done = plan, time.monotonic(), 0.0

    def tick(self, passes: float) -> None:
        """Some float passes are done."""
        self._done += passes

    def left(self) -> str:
        """In words, with a comma before; at first what was planned, nothing where that is nothing."""
        left = max(self._plan.passes - self._done, 0.0)
        if not left:
            return ""
        rate = (time.monotonic() - self._start) / self._done if self._done > 0.5 else None
        seconds = left * rate if rate is not None else left * self._plan.seconds / self._plan.passes
        return f", {'at most ' if self._plan.seconds else ''}{seconds:.0f} s left"
