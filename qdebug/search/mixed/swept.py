"""What sweeps have measured of single layers, taught to the predictions of mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qdebug.engine import Work
from qdebug.search.mix import Problem
from qdebug.search.mixed.wish import Wish
from qdebug.search.question import Question
from qdebug.search.sweep.items import items
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.session import Session


@dataclass(frozen=True, eq=False)
class Alone:
    """A layer that was quantized alone.

    Attributes:
        error: squared, per sample.
        change: float64 ``[M]``, what stands for the change of the model's outputs
            (:mod:`qdebug.search.sweep.sketch`).
    """

    error: float
    change: np.ndarray


def swept(session: Session, wish: Wish, task: Problem, journal: Journal, work: Work) -> dict[tuple[int, int], Alone]:
    """What the model does with layers quantized alone, on all data, as far as the journal has them; measures nothing.

    Args:
        session: the model with its data.
        wish: formats and fixes.
        task: the search's problem. Layers that are tied to others have no row of their own and are left out.
        journal: where sweeps keep what they measured.
        work: progress and cancel.

    Returns:
        What was measured by row and plan.

    Raises:
        FileError: the journal cannot be read.
    """
    question = Question(wish.formats, wish.recipe)
    sweep = Sweep(session, How(journal=journal))
    metric = session.metric(wish.recipe, session.subject.eval_batches[:1], work)
    book = sweep.book(items(session, question, {}, leave_one_out=False), metric)
    rows = {(task.names or ())[tied[0]]: row for row, tied in enumerate(task.groups.members) if len(tied) == 1}
    plans = {name: place for place, name in enumerate(wish.names)}
    found: dict[tuple[int, int], Alone] = {}
    for place in sweep.recall(book):
        work.check()
        item = book.items[place]
        if book.whole(place) and item.layer in rows:
            found[rows[item.layer], plans[item.format]] = Alone(float(book.errors(place).mean()), book.change(place))
    return found
