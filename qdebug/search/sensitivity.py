"""Which layer hurts in which format: predicted for all at once, measured one by one, most harmful first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass

from msgspec.structs import replace

from qdebug.engine import Engine, ValueCache, Work
from qdebug.engine.threads import one_thread
from qdebug.results import Sensitivity
from qdebug.results.sensitivity import Mode
from qdebug.search.predict.predicted import rows as predicted_rows
from qdebug.search.predict.projections import Projections
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.search.question import Question, alone, refusals
from qdebug.search.sweep.book import Book
from qdebug.search.sweep.foretold import Foretold
from qdebug.search.sweep.items import items
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.rows import is_linear, wholes, with_gain, with_item
from qdebug.search.sweep.run import Sweep
from qdebug.session import Session

__all__ = [
    "Predictions", "Question", "Show", "alone", "forward_seconds", "is_linear", "outlook", "predicted", "sensitivity",
]  # fmt: skip

Show = Callable[[Sensitivity], None]
"""Gets what is known so far."""


@dataclass(frozen=True)
class Predictions:
    """What is predicted for a question: the table, and what is behind it.

    Attributes:
        table: each layer in each format.
        projections: what is predicted of each sample; None where nothing is.
    """

    table: Sensitivity
    projections: Projections | None


_CONSTANTS = 1 << 28
"""Bytes of computed constants that a timed pass may remember."""


def sensitivity(
    session: Session, question: Question, mode: Mode = "predict", *, how: How | None = None,
    foretold: Predictions | None = None, show: Show | None = None, work: Work | None = None,
) -> Sensitivity:  # fmt: skip
    """Every layer in every format, everything else float.

    Args:
        session: the model with its data.
        question: formats and measure.
        mode: ``predict``, or ``exact`` to measure all of it too, on one thread a core.
        how: how it is measured.
        foretold: the same question's predictions, where they were made before; made now, on one thread where it is
            measured too, if not given.
        show: gets what is known, after each batch and each measurement; what measuring costs, before it starts.
        work: progress and cancel.

    Raises:
        ModelError: no gradient gets from the output to any layer, and nothing is measured.
        RecipeError: the fixes do not fit the model.
        UsageError: workers are asked for and could not open the model, or nothing says that the output is class scores
            and a divergence or a loss is asked for.
    """
    start, work = time.perf_counter(), work or Work()
    session.subject.loss(question.measure)
    sweep = Sweep(session, how or How()) if mode == "exact" else None
    with sweep.runner() if sweep else nullcontext() as runner:
        with one_thread() if sweep else nullcontext():
            forward = forward_seconds(session, work)
        found = _empty(session, question, mode, forward)

        def shown(now: Sensitivity) -> Sensitivity:
            now = replace(now, seconds=time.perf_counter() - start)
            if show is not None:
                show(now)
            return now

        with one_thread() if sweep else nullcontext():  # the order of measuring, and so its bytes, rest on predictions
            told = foretold or _grown(session, question, found, shown, work)
        found = shown(replace(found, rows=told.table.rows, n=told.table.n, unreached=told.table.unreached))
        if sweep is None or runner is None:
            return found
        book = _book(session, question, sweep, how or How(), told, work)
        plan = sweep.plan(book, forward)
        found = shown(replace(found, plan=plan))
        with closing(sweep.go(runner, book, plan, work)) as measured:  # whoever looks may stop it, too
            for now in _filled(found, sweep, book, measured):
                found = shown(now)
        return shown(replace(found, order=sweep.order(book)))


def predicted(
    session: Session, question: Question, *, show: Show | None = None, work: Work | None = None
) -> Predictions:
    """As :func:`sensitivity` predicts it, with what measuring can start from.

    Raises:
        ModelError: no gradient gets from the output to any layer.
        RecipeError: the fixes do not fit the model.
    """
    start, work = time.perf_counter(), work or Work()
    found = _empty(session, question, "predict", forward_seconds(session, work))

    def shown(now: Sensitivity) -> Sensitivity:
        now = replace(now, seconds=time.perf_counter() - start)
        if show is not None:
            show(now)
        return now

    return _grown(session, question, found, shown, work)


def outlook(
    session: Session, question: Question, how: How, foretold: Predictions, *, forward: float | None = None,
    work: Work | None = None,
) -> Sensitivity:  # fmt: skip
    """What measuring would cost, and what the journal has of it already; measures nothing.

    Args:
        session: the model with its data.
        question: formats and measure.
        how: how it would be measured. Whatever the journal has of the question is told, also of layers that are not
            among the ``worst``.
        foretold: the same question's predictions.
        forward: seconds of a float pass on one thread; timed now if not given.
        work: progress and cancel.

    Raises:
        FileError: the journal cannot be read.
        RecipeError: the fixes do not fit the model.
    """
    work = work or Work()
    if forward is None:
        with one_thread():
            forward = forward_seconds(session, work)
    sweep = Sweep(session, how)
    found = replace(foretold.table, mode="exact", forward_seconds=forward)
    asked = _book(session, question, sweep, how, foretold, work)
    plan = sweep.plan(asked, forward)
    if sweep.is_recalled(asked):  # a race needs less than all there is
        plan, found = replace(plan, passes=0.0, seconds=0.0), replace(found, order=sweep.order(asked))
    known = _book(session, question, sweep, dataclasses.replace(how, worst=0), foretold, work)
    found = replace(found, plan=plan)
    for now in _filled(found, sweep, known, sweep.recall(known)):
        work.check()
        found = now
    return found


def _book(session: Session, question: Question, sweep: Sweep, how: How, told: Predictions, work: Work) -> Book:
    """What is to be measured, the most harmful by prediction first."""
    harm = {(row.layer, row.format): row.predicted for row in told.table.rows if row.predicted is not None}
    todo = items(session, question, harm, how.leave_one_out, how.worst)
    foretold = Foretold(told.projections, question.formats, sweep.samples.order) if told.projections else None
    metric = session.metric(question.recipe, session.subject.eval_batches[:1], work)
    return sweep.book(todo, metric, question.measure, foretold)


def _filled(found: Sensitivity, sweep: Sweep, book: Book, places: Iterable[int]) -> Iterator[Sensitivity]:
    """What is known, after each item that is known better."""
    at = {(row.layer, row.format): place for place, row in enumerate(found.rows)}
    table = list(found.rows)
    for place in places:
        item = book.items[place]
        if item.kind != "whole":
            row = at[item.layer, item.format]
            table[row] = with_item(table[row], book, place, sweep.samples.count)
        else:  # workers may have measured it without a layer first
            for other, one in enumerate(book.items):
                if (one.kind, one.format) == ("without", item.format) and book.parts(other):
                    row = at[one.layer, one.format]
                    table[row] = with_gain(table[row], book, other, sweep.samples.count)
        yield replace(found, rows=tuple(table), whole=wholes(book, sweep.samples.count))


def forward_seconds(session: Session, work: Work) -> float:
    """How long one float pass over the evaluation data takes where nothing is remembered."""
    subject = session.subject
    engine = Engine(subject.program, subject.layers, ValueCache(_CONSTANTS))
    start = time.perf_counter()
    for batch in subject.eval_batches:
        engine.output(session.preparer.float_sheet, batch, work, remember=False)
    return time.perf_counter() - start


def _empty(session: Session, question: Question, mode: Mode, forward: float) -> Sensitivity:
    info = session.info()
    return Sensitivity(
        model=info.name, digest=info.digest, recipe=question.recipe.digest, measure=question.measure, mode=mode,
        formats=tuple(name for name, _ in question.formats), rows=(), n=0, of=len(session.subject.data),
        forward_seconds=forward, seconds=0.0,
    )  # fmt: skip


def _grown(session: Session, question: Question, found: Sensitivity, show: Show, work: Work) -> Predictions:
    """Predictions, shown after each batch."""
    projected, refused = None, refusals(session, question)
    for projected in _projected(session, question, work):
        found = _rows(found, projected, question, refused)
        show(found)
    return Predictions(found, projected)


def _projected(session: Session, question: Question, work: Work) -> Iterator[Projections]:
    """The projections after each batch."""
    plans = [plan for _, plan in question.formats]
    weights = dict.fromkeys(plan.weight for plan in plans if not plan.weight.is_float32)
    inputs = dict.fromkeys(plan.activation for plan in plans if not plan.activation.is_float32)
    projector = Projector(
        session, question.recipe, tuple(weights), tuple(inputs), turns=turns_for(len(session.subject.data)),
        measure=question.measure, work=work,
    )  # fmt: skip
    return projector.growing(projector.parts())


def _rows(
    found: Sensitivity, projected: Projections, question: Question, refused: Mapping[tuple[str, str], str]
) -> Sensitivity:
    """What is known with these projections: the rows, and the layers that no gradient gets to."""
    rows = predicted_rows(projected, question.formats)
    return replace(
        found, rows=tuple(replace(row, refused=refused.get((row.layer, row.format), "")) for row in rows),
        n=projected.samples,
        unreached=tuple(name for name, reached in zip(projected.layers, projected.reached, strict=True) if not reached),
    )  # fmt: skip
