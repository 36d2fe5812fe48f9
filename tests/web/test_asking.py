"""Asking and waiting, with a compute process whose every answer is written here."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from qdebug.errors import DataError
from qdebug.jobs.client import Running, WorkerFault
from qdebug.recipes import preset
from qdebug.results import ModelRef, Progress
from tests.figures.values import score
from tests.web.conftest import html

FIRST = ModelRef(model="digits-mobilenet")


class Scripted:
    """Answers with what ``script`` says for a recipe's digest and model; counts what it is asked."""

    def __init__(self):
        self.restarts = 0
        self.script = {}
        self.parts = {}
        self.asked = []
        self.cancelled = []

    def ask(self, request, wait=0.4, *, asker="", seen=""):
        assert asker
        self.asked.append(request)
        answer = self.script.get((request.ref.model, request.recipe.digest))
        if isinstance(answer, Exception):
            raise answer
        return answer or Running(job="j1", progress=Progress(done=3, total=12, text="Evaluating"), seconds=1.0)

    def part(self, request, running):
        return self.parts[running.mark]

    def cancel(self, job, *, asker=""):
        assert asker
        self.cancelled.append(job)


def page():
    """A page with nothing but the strip."""
    from qdebug.web.core import ask, state
    from qdebug.web.shell import strip

    state.start()
    ask.begin()
    strip.draw()
    ask.watch()


@pytest.fixture
def client(answered_by):
    return answered_by(Scripted())


@pytest.fixture
def bench(client):
    client.script[FIRST.model, preset("w8a8").digest] = score(0.285)
    return AppTest.from_function(page, default_timeout=20).run()


def change(bench, recipe, ref=FIRST):
    from qdebug.web.core.state import History

    bench.session_state.ref = ref
    bench.session_state.histories = {ref: History((recipe,))}
    return bench.run()


def test_an_answer_is_drawn_and_not_asked_for_again(bench, client):
    assert "28.5 %" in html(bench)
    asked = len(client.asked)
    bench.run()
    assert len(client.asked) == asked


def test_while_it_is_measured_there_is_progress_a_way_out_and_the_last_answer(bench, client):
    change(bench, preset("w4a8"))
    assert bench.get("progress")[0].proto.text == "Evaluating · 3 of 12"
    assert bench.get("progress")[0].proto.value == 25
    assert [one.label for one in bench.button] == ["Cancel"]
    assert "28.5 %" in html(bench)
    assert "the last one measured" in html(bench)
    client.script[FIRST.model, preset("w4a8").digest] = score(0.5)
    bench.run()
    assert "50.0 %" in html(bench)
    assert not bench.get("progress")


def estimating(client, recipe, mark, found):
    at = Progress(done=3, total=12, text="Evaluating")
    client.script[FIRST.model, recipe.digest] = Running(job="j1", progress=at, seconds=1.0, part=b"1", mark=mark)
    client.parts[mark] = replace(found, exact=False)


def test_what_changes_first_is_an_estimate_that_says_so_and_then_the_exact_score(bench, client):
    estimating(client, preset("w4a8"), "m1", score(0.6, size=1000))
    change(bench, preset("w4a8"))
    text = html(bench)
    assert "60.0 %" in text and "28.5 %" not in text
    assert "quantized, estimated" in text and "estimate</span>" in text and "from the first" in text
    assert bench.get("progress") and [one.label for one in bench.button] == ["Cancel"]
    estimating(client, preset("w4a8"), "m2", score(0.55))
    bench.run()
    assert "55.0 %" in html(bench)
    client.script[FIRST.model, preset("w4a8").digest] = score(0.5)
    bench.run()
    assert "50.0 %" in html(bench) and "exact</span>" in html(bench)
    assert "estimate" not in html(bench) and not bench.get("progress")


def test_an_estimate_that_was_cancelled_stays_one_and_can_be_measured_again(bench, client):
    estimating(client, preset("w4a8"), "m1", score(0.6))
    change(bench, preset("w4a8"))
    bench.button[0].click().run()
    assert "quantized, estimated" in html(bench) and "Cancelled" in html(bench)
    client.script[FIRST.model, preset("w4a8").digest] = score(0.5)
    next(one for one in bench.button if one.label == "Measure again").click().run()
    assert "50.0 %" in html(bench) and "estimated" not in html(bench)


def test_another_model_s_answer_is_never_shown_for_this_one(bench):
    change(bench, preset("w8a8"), ModelRef(model="digits-vit"))
    assert bench.get("progress")
    assert "28.5 %" not in html(bench)


def test_cancelling_stops_it_keeps_the_recipe_and_does_not_start_it_again(bench, client):
    change(bench, preset("w4a8"))
    bench.button[0].click().run()
    assert client.cancelled == ["j1"]
    assert "Cancelled" in html(bench)
    assert bench.session_state.histories[FIRST].now == preset("w4a8")
    asked = len(client.asked)
    bench.run()
    assert len(client.asked) == asked
    client.script[FIRST.model, preset("w4a8").digest] = score(0.5)
    next(one for one in bench.button if one.label == "Measure again").click().run()
    assert "50.0 %" in html(bench)


def test_an_error_is_drawn_once_and_not_worked_on_again(bench, client):
    client.script[FIRST.model, preset("w4a8").digest] = DataError("Wrong shape", do="Give [N, 1, 8, 8].", key="images")
    change(bench, preset("w4a8"))
    text = html(bench)
    for part in ("Wrong shape", "<dt>key</dt><dd>images</dd>", "Give [N, 1, 8, 8]."):
        assert part in text
    asked = len(client.asked)
    bench.run()
    assert len(client.asked) == asked
    client.script[FIRST.model, preset("w4a8").digest] = score(0.5)
    next(one for one in bench.button if one.label == "Try again").click().run()
    assert "50.0 %" in html(bench)


def test_a_fault_of_ours_shows_its_text_and_no_traceback(bench, client):
    client.script[FIRST.model, preset("w4a8").digest] = WorkerFault(
        "qdebug failed in GetScore; entry 1a2b3c of the log"
    )
    change(bench, preset("w4a8"))
    assert "entry 1a2b3c" in html(bench)
    assert "Your recipe is kept" in html(bench)
    assert not bench.exception


def test_what_changes_by_itself_is_asked_for_once_a_second_by_all_sessions_together(client, monkeypatch):
    from qdebug.jobs.verbs import GetStats
    from qdebug.web.core import ask, state

    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    answers = iter(["one", "two", Running(job="j", progress=Progress(done=0, total=0, text=""), seconds=0.0)])
    asked = []

    def answered(request, wait, *, asker):
        asked.append(asker)
        return next(answers)

    monkeypatch.setattr(client, "ask", answered)
    monkeypatch.setattr(state, "session_id", lambda: f"session {len(asked)}")
    monkeypatch.setattr(ask, "time", clock)
    told = []
    for clock.now in (0.0, 0.5, 1.5, 3.0):
        told.append(ask.now(GetStats()))
    assert told == ["one", "one", "two", "two"], "a busy process: the last one stays"
    assert len(asked) == 3


def test_a_restart_is_told_once(bench, client):
    assert not bench.toast
    client.restarts = 1
    bench.run()
    assert "started again" in bench.toast[0].value
    bench.run()
    assert not bench.toast


def test_a_file_that_was_overwritten_is_another_model(bench, client, tmp_path):
    file = tmp_path / "model.pt2"
    file.write_bytes(b"one")
    ref = ModelRef(model=str(file))
    client.script[ref.model, preset("w8a8").digest] = score(0.285)
    assert "28.5 %" in html(change(bench, preset("w8a8"), ref))
    file.write_bytes(b"another")
    client.script[ref.model, preset("w8a8").digest] = score(0.5)
    bench.run()
    assert "50.0 %" in html(bench)
    assert "28.5 %" not in html(bench)
