"""Asking, attaching, polling, cancelling, against a compute process with made-up answers."""

import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest

from qdebug.errors import Cancelled, DataError, ModelError, WorkerError
from qdebug.jobs import GetScore, GetShares, GetStats, GetVerdict, Running, WorkerFault
from qdebug.jobs.client import LEFT_ALONE
from qdebug.recipes import preset
from qdebug.results import ModelRef, Progress, Score
from qdebug.results import Shares as SharesAnswer

W8A8 = preset("w8a8")


def score_of(name, recipe=W8A8):
    return GetScore(ModelRef(model=name), recipe)


@pytest.fixture
def client(shared_client):
    return shared_client


@pytest.fixture
def folder(shared_folder):
    return shared_folder


def until(found, seconds=10.0):
    """Wait until ``found()`` is true."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return value


def test_an_answer_has_the_verbs_type(client):
    answer = client.get(score_of("quick"))
    assert isinstance(answer, Score)
    assert answer.recipe == W8A8.digest
    assert answer.metric.float_ == 0.9


def test_the_same_question_is_computed_once(client):
    first = client.get(score_of("quick"))
    assert client.get(score_of("quick")) == first
    assert client.get(score_of("quick", preset("w4a8"))) != first


def test_what_changes_by_itself_is_asked_again(client):
    assert client.get(GetStats()).entries < client.get(GetStats()).entries


def test_many_askers_attach_to_one_job(client):
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: client.get(score_of("slow:0.3"), asker=str(n)), range(12)))
    assert len({answer.seconds for answer in answers}) == 1


def test_a_long_job_says_how_far_it_is(client):
    running = client.ask(score_of("slow:30"), wait=0.2)
    assert isinstance(running, Running)
    later = until(
        lambda: (now := client.ask(score_of("slow:30"), wait=0.1)).progress.done > running.progress.done and now
    )
    assert later.job == running.job
    assert later.progress.text == "pretending"
    assert later.seconds > running.seconds
    client.cancel(running.job)


def test_ask_comes_back_when_it_said(client):
    start = time.monotonic()
    running = client.ask(score_of("slow:61"), wait=0.0)
    assert time.monotonic() - start < 30
    client.cancel(running.job)


def test_a_long_job_of_one_does_not_stand_before_a_quick_one_of_another(client):
    # More than the slow lane has threads.
    long = [client.ask(GetShares(ModelRef(model=f"slow:3{number}"), W8A8), wait=0.0) for number in range(4)]
    assert isinstance(client.get(score_of("quick:lanes"), timeout=20), Score)
    queued = client.ask(GetShares(ModelRef(model="slow:33"), W8A8), wait=0.0)
    assert queued.progress.text == "waiting"
    for running in long:
        client.cancel(running.job)


def test_cancel_ends_the_job_and_the_next_question_starts_it_anew(client):
    running = client.ask(score_of("slow:60"), wait=0.1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, score_of("slow:60"))
        time.sleep(1.0)  # by now it waits
        client.cancel(running.job)
        with pytest.raises(Cancelled):
            waiting.result(timeout=30)
    again = client.ask(score_of("slow:60"), wait=0.0)
    assert isinstance(again, Running)
    assert again.seconds < 1.0
    client.cancel(again.job)


def test_a_job_goes_on_while_another_asker_waits(client):
    mine = client.ask(score_of("slow:2.5"), wait=0.1, asker="me")
    computed = client.get(GetStats()).entries
    with ThreadPoolExecutor(1) as pool:
        hers = pool.submit(client.get, score_of("slow:2.5"), asker="she")
        time.sleep(1.0)  # by now she waits
        client.cancel(mine.job, asker="me")
        hers.result(timeout=20)
    assert client.get(GetStats()).entries == computed + 1  # this question; the job was not computed a second time


def test_cancelling_what_is_not_there_is_no_error(client):
    client.cancel("0" * 32)


def test_a_mistake_crosses_as_itself(client):
    with pytest.raises(DataError) as caught:
        client.get(score_of("bad"))
    assert caught.value.what == "The data are upside down"
    assert caught.value.do == "Turn them."
    assert caught.value.where == {"file": "a.npz", "shape": "[3, 4]"}


def test_a_mistake_is_told_and_not_kept(client):
    computed = client.get(GetStats()).entries
    for _ in range(2):
        with pytest.raises(DataError):
            client.get(score_of("bad"))
    assert client.get(GetStats()).entries == computed + 3


def test_a_mistake_made_between_two_polls_is_told(client):
    assert isinstance(client.ask(score_of("bad"), wait=0.0), Running) or pytest.skip("it was quicker than the poll")
    with pytest.raises(DataError):
        until(lambda: not isinstance(client.ask(score_of("bad"), wait=0.0), Running))


@pytest.mark.parametrize("name", ["fault", "exit"])
def test_a_fault_of_ours_names_the_log_and_nothing_of_the_server(client, folder, name):
    with pytest.raises(WorkerFault) as caught:
        client.get(score_of(name))
    assert "/a/path" not in str(caught.value)
    entry = str(caught.value).split("entry ")[1].split()[0]
    log = (folder / "worker.log").read_text()
    assert entry in log
    assert "fake_worker.py" in log and '"exception"' in log  # where it was raised
    assert "/a/path" not in log  # and nothing of what it said


def test_no_memory_is_not_a_fault_of_ours(client, folder):
    with pytest.raises(ModelError, match="more memory than this process may have"):
        client.get(score_of("full"))
    assert "no memory" in (folder / "worker.log").read_text()


def test_an_answer_that_fits_no_frame_is_a_fault_and_the_process_lives(client):
    pid = client.pid
    with pytest.raises(WorkerFault, match="FrameError"):
        client.get(GetVerdict(ModelRef(model="huge"), W8A8))
    assert isinstance(client.get(score_of("quick")), Score)
    assert client.pid == pid


def test_no_answer_in_time(client):
    with pytest.raises(WorkerError, match="No answer after"):
        client.get(score_of("slow:62"), timeout=0.2)
    client.cancel(client.ask(score_of("slow:62"), wait=0.0).job)


def test_one_client_serves_thirty_threads(client):
    barrier = threading.Barrier(30)

    def session(number):
        barrier.wait()
        recipe = preset(f"w{2 + number % 7}a8")
        mine = [client.get(score_of(f"quick:{number}", recipe), asker=str(number)) for _ in range(5)]
        shares = client.get(GetShares(ModelRef(model=f"quick:{number}"), recipe), asker=str(number))
        assert isinstance(shares, SharesAnswer)
        return {answer.recipe for answer in mine} == {recipe.digest} and shares.recipe == recipe.digest

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(session, range(30)))


def test_the_process_says_how_much_it_has_to_do(client):
    assert client.get(score_of("w8a8"))
    seen = client.vitals()
    assert seen.answers >= 1
    assert set(seen.running) == set(seen.waiting) == {"quick", "open", "slow"}
    assert sum(seen.waiting.values()) == 0


def test_a_run_that_is_heard_of_late_is_no_further_death(client, monkeypatch):
    """Threads may hear of the run before after the run that is: eight sessions that ask the same did."""
    monkeypatch.setattr(client, "_runs", {"first": 0, "second": 1})
    monkeypatch.setattr(client, "_under_way", OrderedDict())
    running = Running("job", Progress(done=0, total=0, text=""), 0.0)
    for instance in ("first", "second", "first", "second", "first", "second"):
        client._note_under_way(b"key", instance, running, "", time.monotonic())
    assert client._under_way[b"key"][:2] == (1, 1)


def test_a_question_that_nobody_waits_for_is_blamed_for_no_death(client, monkeypatch):
    monkeypatch.setattr(client, "_runs", {str(run): run for run in range(9)})
    monkeypatch.setattr(client, "_under_way", OrderedDict())
    running = Running("job", Progress(done=0, total=0, text=""), 0.0)
    for run in range(9):
        client._note_under_way(b"key", str(run), running, "", time.monotonic() + LEFT_ALONE)
    assert client._under_way[b"key"][1] == 0
