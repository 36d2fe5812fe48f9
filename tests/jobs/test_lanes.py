"""A thread is not kept busy for nobody while somebody waits for it."""

import time

import pytest

from qdebug.jobs import table
from qdebug.jobs.table import LANES, Table
from qdebug.jobs.wire import Done, Running
from tests.jobs.fake_worker import FakeHandlers
from tests.jobs.test_client import score_of, until


@pytest.fixture
def busy(monkeypatch):
    """A table whose every thread for scores works at something that ``gone`` asked for."""
    monkeypatch.setattr(table, "PATIENCE", 0.3)
    jobs = Table(FakeHandlers())
    names = [f"slow:{60 + one}" for one in range(LANES[score_of("slow").lane])]
    for name in names:
        assert isinstance(jobs.ask(score_of(name), 0.0, "gone"), Running)
    yield jobs, names
    for name in names:
        running = jobs.ask(score_of(name), 0.0, "end")
        jobs.cancel(running.job, "gone")
        jobs.cancel(running.job, "end")


def test_a_job_without_askers_makes_room_for_one_with(busy):
    jobs, _ = busy

    def answered():
        jobs.sweep()
        return isinstance(jobs.ask(score_of("quick"), 0.05, "here"), Done)

    assert until(answered)


def test_a_job_that_is_polled_goes_on(busy):
    jobs, names = busy
    first = {name: jobs.ask(score_of(name), 0.0, "gone").job for name in names}
    until_then = time.monotonic() + 1.0
    while time.monotonic() < until_then:
        assert isinstance(jobs.ask(score_of("quick"), 0.02, "here"), Running)
        jobs.sweep()
        for name in names:
            assert jobs.ask(score_of(name), 0.0, "gone").seconds > 0
    assert first == {name: jobs.ask(score_of(name), 0.0, "gone").job for name in names}


def test_without_others_it_goes_on_unseen(busy):
    jobs, names = busy
    time.sleep(0.5)
    jobs.sweep()
    assert jobs.ask(score_of(names[0]), 0.0, "gone").seconds > 0.4
