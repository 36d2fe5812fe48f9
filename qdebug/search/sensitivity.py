"""Which layer hurts in which format: predicted for all at once, measured one by one, most harmful first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

from msgspec.structs import replace

from qdebug.engine import Engine, ValueCache, Work
from qdebug.results import Sensitivity, SensitivityRow
from qdebug.results.sensitivity import Mode
from qdebug.search.predict.predicted import rows as predicted_rows
from qdebug.search.predict.projector import Projector, turns_for
from qdebug.search.question import Question, alone, refusals
from qdebug.search.sweep.bench import one_thread
from qdebug.search.sweep.items import items
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.rows import is_linear, wholes, with_item
from qdebug.search.sweep.run import Sweep
from qdebug.session import Session

__all__ = ["Question", "Show", "alone", "forward_seconds", "is_linear", "sensitivity"]

Show = Callable[[Sensitivity], None]
"""Gets what is known so far."""

_CONSTANTS = 1 << 28
"""Bytes of computed constants that a timed pass may remember."""


def sensitivity(
    session: Session, question: Question, mode: Mode = "predict", *, how: How | None = None, show: Show | None = None,
    work: Work | None = None,
) -> Sensitivity:  # fmt: skip
    """Every layer in every format, everything else float.

    Args:
        session: the model with its data.
        question: formats and measure.
        mode: ``predict``, or ``exact`` to measure all of it too, on one thread a core.
        how: how it is measured.
        show: gets what is known, after each batch and each measurement; what measuring costs, before it starts.
        work: progress and cancel.

    Raises:
        ModelError: no gradient gets from the output to any layer, and nothing is measured.
        RecipeError: the fixes do not fit the model.
        UsageError: workers are asked for and could not open the model.
    """
    start, work = time.perf_counter(), work or Work()
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
            for rows, n, unreached in _predicted(session, question, work):
                found = replace(shown(replace(found, rows=tuple(rows), n=n)), unreached=unreached)
        if sweep is None or runner is None:
            return found
        harm = {(row.layer, row.format): row.predicted for row in found.rows if row.predicted is not None}
        todo = items(session, question, harm, (how or How()).leave_one_out)
        book = sweep.book(todo, session.metric(question.recipe, session.subject.eval_batches[:1], work))
        found = shown(replace(found, plan=sweep.plan(book, forward)))
        assert found.plan is not None
        places = {(row.layer, row.format): place for place, row in enumerate(found.rows)}
        table = list(found.rows)
        for place in sweep.go(runner, book, found.plan, work):
            item = todo[place]
            if item.kind != "whole":
                row = places[item.layer, item.format]
                table[row] = with_item(table[row], book, place, sweep.samples.count)
            found = shown(replace(found, rows=tuple(table), whole=wholes(book, sweep.samples.count)))
        return shown(replace(found, order=sweep.order(book)))


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


def _predicted(
    session: Session, question: Question, work: Work
) -> Iterator[tuple[list[SensitivityRow], int, tuple[str, ...]]]:
    """The rows after each batch, how many samples they rest on, and the layers that no gradient gets to."""
    refused = refusals(session, question)
    plans = [plan for _, plan in question.formats]
    weights = dict.fromkeys(plan.weight for plan in plans if not plan.weight.is_float32)
    inputs = dict.fromkeys(plan.activation for plan in plans if not plan.activation.is_float32)
    projector = Projector(
        session, question.recipe, tuple(weights), tuple(inputs), turns=turns_for(len(session.subject.data)),
        measure=question.measure, work=work,
    )  # fmt: skip
    for found in projector.growing(projector.parts()):
        rows = predicted_rows(found, question.formats)
        rows = [replace(row, refused=refused.get((row.layer, row.format), "")) for row in rows]
        unreached = tuple(name for name, reached in zip(found.layers, found.reached, strict=True) if not reached)
        yield rows, found.samples, unreached
