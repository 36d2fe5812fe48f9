"""Cancel works; and what is deaf to it, or leaves a process behind, is seen."""

import sys

import pytest

from benchmarks.promises.cancel import PROMISE, tried
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
