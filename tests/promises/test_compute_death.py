"""The compute process may die, work is not lost; and what was lost is seen."""

import os

import pytest

from benchmarks.promises.compute_death import PROMISE, SESSIONS, judged
from benchmarks.promises.promise import Allowance


@pytest.mark.timeout(900)  # a busy machine takes its time to start a process
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_recipes_stay_each_is_told_once_and_the_next_click_works():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 20
    assert outcome.figures["sessions"] == SESSIONS == 8


def test_what_was_lost_is_seen():
    assert judged("a1", "a1", 1, []) == ""
    assert "its recipe is the first one" in judged("", "a1", 1, [])
    assert judged("a1", "a1", 0, []) == "it was told 0 times"
    assert judged("a1", "a1", 2, []) == "it was told 2 times"
    assert judged("a1", "a1", 1, ["no answer"]) == "no answer"
