"""Progress that people see: one count at a time."""

import pytest

from qdebug.engine.work import Work
from qdebug.errors import Cancelled


def test_steps_within_a_step_are_not_told_but_still_stop():
    told = []
    work = Work(lambda progress: told.append((progress.done, progress.total, progress.text)))
    work.step(3, 56, "measuring fc")
    with work.as_one_step():
        work.step(0, 1, "equalizing")
        work.cancel()
        with pytest.raises(Cancelled):
            work.step(0, 1, "equalizing")
    assert told == [(3, 56, "measuring fc")]


def test_telling_goes_on_after_a_step_that_failed():
    told = []
    work = Work(lambda progress: told.append(progress.done))
    with pytest.raises(KeyError), work.as_one_step():
        raise KeyError
    work.step(4, 56, "measuring fc")
    assert told == [4]
