"""A job that gets better as it goes on is ended with the best so far, which nobody takes for the whole."""

import threading

import msgspec
import pytest

from qdebug.jobs import GetVerdict, wire
from qdebug.jobs.table import Table
from qdebug.recipes import preset
from qdebug.results import ModelRef, Verdict

REQUEST = GetVerdict(ModelRef(model="net"), preset("w8a8"))


class Better:
    """Answers that get better until somebody has enough."""

    def __init__(self):
        self.runs = 0
        self.reported = threading.Event()
        self.whole = threading.Event()

    def key(self, request):
        return request.ref.model.encode()

    def lane(self, request):
        return "quick"

    def answer(self, request, work):
        self.runs += 1
        with work.takes_less(), work.ends_when_enough():
            work.step(1, 10, "getting better")
            self.reported.set()
            while not work.is_enough and not self.whole.wait(0.02):
                work.check()
            text = "early" if work.is_enough else "whole"
        return Verdict(text=text, worst=(), healthy=True)


@pytest.fixture
def better():
    return Better()


@pytest.fixture
def table(better):
    return Table(better)


def text_of(outcome):
    assert isinstance(outcome, wire.Done)
    return msgspec.msgpack.decode(bytes(outcome.answer), type=Verdict).text


def test_progress_says_that_it_can_be_ended(table, better):
    assert isinstance(table.ask(REQUEST, 0.0, "a"), wire.Running)
    assert better.reported.wait(10)
    running = table.ask(REQUEST, 0.0, "a")
    assert running.progress.can_finish
    better.whole.set()
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "whole"


def test_ended_early_it_answers_with_what_it_has_and_is_not_kept(table, better):
    running = table.ask(REQUEST, 0.0, "a")
    assert better.reported.wait(10)
    assert table.finish(running.job, "a")
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "early"
    better.whole.set()
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "whole"
    assert text_of(table.ask(REQUEST, 10.0, "b")) == "whole"
    assert better.runs == 2


def test_it_goes_on_while_somebody_else_waits_for_all_of_it(table, better):
    running = table.ask(REQUEST, 0.0, "a")
    assert isinstance(table.ask(REQUEST, 0.0, "b"), wire.Running)
    assert better.reported.wait(10)
    assert not table.finish(running.job, "a")
    table.cancel(running.job, "b")
    assert table.finish(running.job, "a")
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "early"


def test_a_job_that_is_over_is_left_alone(table, better):
    better.whole.set()
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "whole"
    assert table.finish(better.key(REQUEST).hex(), "a")
    assert text_of(table.ask(REQUEST, 10.0, "a")) == "whole"


def test_the_client_says_so_across_the_wire(shared_client):
    assert shared_client.finish("no job of that name", asker="a")
