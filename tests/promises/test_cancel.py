"""Cancel works; and what is deaf to it, or leaves a process behind, is seen."""

import sys
import time

import pytest

from benchmarks.promises.cancel import PROMISE, tried
from benchmarks.promises.cancel.trials import WONDER, cancelled
from benchmarks.promises.promise import Allowance

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up as Linux shows them")


def test_long_jobs_are_cancelled_and_leave_no_process():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 20
    assert outcome.figures["kinds of jobs"] > 10


def test_deaf_jobs_and_orphans_are_seen():
    outcome = tried(Allowance(2), "tests.promises.deaf_jobs:jobs", leaving=1.0)
    said = " ".join(outcome.broken)
    assert "deaf: it went on to its end" in said
    assert "careless: left behind" in said


def test_what_hears_late_tells_where_it_was():
    def deaf_for_a_while(work):
        time.sleep(WONDER + 0.5)
        work.check()

    heard = cancelled(deaf_for_a_while, 0.1)
    assert heard.said == "cancelled"
    assert "test_cancel.py" in heard.where
    assert cancelled(lambda work: [work.check() for _ in iter(int, 1)], 0.1).where == ""
