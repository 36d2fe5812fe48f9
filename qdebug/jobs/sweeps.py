"""Sensitivity as the compute process answers it: predictions are made once, measurements are kept in the workspace."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qdebug.jobs.verbs import GetOutlook, GetSensitivity
from qdebug.recipes import Recipe
from qdebug.results import Sensitivity

if TYPE_CHECKING:
    from qdebug.engine.work import Work
    from qdebug.search.sensitivity import Predictions, Question
    from qdebug.search.sweep.plan import How
    from qdebug.session import Session

MOST = 8
"""Questions about one model whose predictions are remembered."""


@dataclass
class _Told:
    """What is known of one open model."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    predicted: OrderedDict[Question, Predictions] = field(default_factory=OrderedDict)
    forward: float | None = None


class Sweeps:
    """Predicts, says what measuring would cost, and measures. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: WeakKeyDictionary[Session, _Told] = WeakKeyDictionary()

    def answer(self, request: GetSensitivity, session: Session, work: Work) -> Sensitivity:
        """Predicted, or measured from the predictions on.

        Raises:
            QDebugError: as :func:`qdebug.search.sensitivity.sensitivity`.
        """
        from qdebug.search.sensitivity import sensitivity

        question = _question(request)
        predicted = self._predicted(session, question, work)
        if request.mode == "predict":
            return predicted.table
        with _how(request) as how:
            return sensitivity(session, question, "exact", how=how, foretold=predicted, show=work.part, work=work)

    def outlook(self, request: GetOutlook, session: Session, work: Work) -> Sensitivity:
        """What measuring would cost, and what was measured before, in whichever process.

        Raises:
            QDebugError: as :func:`qdebug.search.sensitivity.outlook`.
        """
        from qdebug.search.sensitivity import outlook

        question = _question(request)
        predicted = self._predicted(session, question, work)
        told = self._of(session)
        with _how(request) as how:
            found = outlook(session, question, how, predicted, forward=told.forward, work=work)
        told.forward = found.forward_seconds
        return found

    def _predicted(self, session: Session, question: Question, work: Work) -> Predictions:
        from qdebug.search.sensitivity import predicted

        told = self._of(session)
        with told.lock:
            if question in told.predicted:
                told.predicted.move_to_end(question)
                return told.predicted[question]
        found = predicted(session, question, show=work.part, work=work)
        with told.lock:
            told.predicted[question] = found
            while len(told.predicted) > MOST:
                told.predicted.popitem(last=False)
        return found

    def _of(self, session: Session) -> _Told:
        with self._lock:
            return self._told.setdefault(session, _Told())


def _question(request: GetSensitivity | GetOutlook) -> Question:
    from qdebug.search.sensitivity import Question

    return Question(request.formats, Recipe(fixes=request.recipe.fixes), request.measure)


@contextmanager
def _how(request: GetSensitivity | GetOutlook) -> Iterator[How]:
    """With the workspace's journal, opened for the thread that asks."""
    from qdebug.search.sweep.journal import Journal
    from qdebug.search.sweep.plan import How

    journal = Journal()
    try:
        yield How(
            until=request.until, worst=request.worst, leave_one_out=request.leave_one_out, journal=journal
        )  # fmt: skip
    finally:
        journal.close()
