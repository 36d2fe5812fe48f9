"""What a job shows while it runs: the newest part to everyone who has not seen it, and nothing after the end."""

import threading
import time

import msgspec
import pytest

from qdebug.jobs import GetVerdict, Running, wire
from qdebug.jobs.part import LARGEST, Part
from qdebug.jobs.table import Table
from qdebug.recipes import preset
from qdebug.results import ModelRef, Verdict


def known(text):
    return Verdict(text=text, worst=(), healthy=True)


def asked(model="net"):
    return GetVerdict(ModelRef(model=model), preset("w8a8"))


def text_of(reply):
    assert isinstance(reply, wire.Running)
    return msgspec.msgpack.decode(reply.part, type=Verdict).text if reply.part else None


class Told:
    """Answers with parts that the test hands it, one by one."""

    def __init__(self):
        self.next = threading.Semaphore(0)
        self.texts = []
        self.shown = threading.Semaphore(0)
        self.runs = 0
        self.stopped = threading.Event()

    def key(self, request):
        return request.ref.model.encode()

    def lane(self, request):
        return "quick"

    def answer(self, request, work):
        self.runs += 1
        try:
            while True:
                self.next.acquire(timeout=0.05)
                work.check()
                if self.texts:
                    text = self.texts.pop(0)
                    if text is None:
                        return known("whole")
                    work.part(known(text))
                    self.shown.release()
        except BaseException:
            self.stopped.set()
            raise

    def show(self, text):
        self.texts.append(text)
        self.next.release()
        assert self.shown.acquire(timeout=10)

    def end(self):
        self.texts.append(None)
        self.next.release()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def table(told, monkeypatch):
    monkeypatch.setattr("qdebug.jobs.table.Part", lambda: Part(every=0.0))
    return Table(told)


def test_the_newest_part_is_told_once_and_the_answer_ends_it(table, told):
    assert text_of(table.ask(asked(), 0.0, "me")) is None
    told.show("a")
    told.show("b")
    first = table.ask(asked(), 0.0, "me")
    assert text_of(first) == "b"
    again = table.ask(asked(), 0.0, "me", first.mark)
    assert (text_of(again), again.mark) == (None, first.mark)
    told.show("c")
    newer = table.ask(asked(), 0.0, "me", first.mark)
    assert text_of(newer) == "c"
    assert newer.mark != first.mark
    told.end()
    done = table.ask(asked(), 10.0, "me", newer.mark)
    assert isinstance(done, wire.Done)
    assert msgspec.msgpack.decode(done.answer, type=Verdict).text == "whole"
    assert table.ask(asked(), 0.0, "me") == done


def test_two_askers_get_each_part_on_their_own(table, told):
    table.ask(asked(), 0.0, "me")
    told.show("a")
    mine = table.ask(asked(), 0.0, "me")
    hers = table.ask(asked(), 0.0, "she")
    assert text_of(mine) == text_of(hers) == "a"
    told.show("b")
    assert text_of(table.ask(asked(), 0.0, "me", mine.mark)) == "b"
    assert text_of(table.ask(asked(), 0.0, "she", hers.mark)) == "b"
    told.end()
    assert told.runs == 1


def test_cancel_takes_the_part_away_and_a_new_start_has_its_own(table, told):
    running = table.ask(asked(), 0.0, "me")
    told.show("a")
    seen = table.ask(asked(), 0.0, "me")
    table.cancel(running.job, "me")
    assert told.stopped.wait(10)
    fresh = table.ask(asked(), 0.0, "me", seen.mark)
    assert text_of(fresh) is None
    told.show("a")
    assert text_of(table.ask(asked(), 0.0, "me", seen.mark)) == "a"
    told.end()


def test_a_part_does_not_outlive_a_cancel_of_one_asker_while_another_waits(table, told):
    running = table.ask(asked(), 0.0, "me")
    table.ask(asked(), 0.0, "she")
    told.show("a")
    table.cancel(running.job, "me")
    assert text_of(table.ask(asked(), 0.0, "she")) == "a"
    told.end()
    assert isinstance(table.ask(asked(), 10.0, "she"), wire.Done)


def test_parts_are_encoded_a_few_times_a_second_however_often_they_are_shown():
    part = Part(every=60.0)
    part.show(known("a"))
    body, mark = part.newer_than("")
    part.show(known("b"))
    assert part.newer_than("") == (body, mark)
    assert part.newer_than(mark) == (b"", mark)


def test_a_part_too_large_to_travel_is_left_out():
    part = Part(every=0.0)
    part.show(known("x" * (LARGEST + 1)))
    assert part.newer_than("")[0] == b""
    part.show(known("small"))
    assert part.newer_than("")[0] == msgspec.msgpack.encode(known("small"))


def test_parts_cross_to_the_client_in_their_order_few_and_only_new_ones(shared_client):
    seen, texts, deadline = "", [], time.monotonic() + 20
    while True:
        running = shared_client.ask(asked("growing:2"), 0.05, seen=seen)
        if not isinstance(running, Running):
            break
        assert time.monotonic() < deadline
        part = shared_client.part(asked("growing:2"), running)
        if part is not None:
            assert running.mark != seen
            seen = running.mark
            texts.append(int(part.text))
    assert texts == sorted(set(texts))
    assert 3 <= len(texts) <= 10
