"""The report on the Export screen: made after a click, in the compute process, and taken home in two forms."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetReport
from qdebug.recipes import preset
from qdebug.results import Exported, ModelRef, Progress
from qdebug.web.core.state import History
from tests.web.conftest import html
from tests.web.test_screens import button

REF = ModelRef(model="digits-mobilenet")


class Answering:
    """Writes a page and its data into a folder; counts what it is asked."""

    restarts = 0

    def __init__(self, place):
        self.place, self.asked, self.busy = place, [], False

    def ask(self, request, wait=0.4, *, asker="", seen=""):
        self.asked.append(request)
        if self.busy:
            return Running(job="job", progress=Progress(done=1, total=3, text="trying cle"), seconds=1.0)
        for name in ("report.html", "report.json"):
            (self.place / name).write_bytes(b"content")
        return Exported(path=str(self.place / "report.html"), bytes=14)

    def cancel(self, job, *, asker=""):
        self.busy = False


def page():
    """The card alone, as the frame would run it."""
    from qdebug.web.core import ask, state
    from qdebug.web.export import report

    state.start()
    ask.begin()
    report.draw()
    ask.watch()


@pytest.fixture
def client(answered_by, tmp_path):
    return answered_by(Answering(tmp_path))


@pytest.fixture
def bench(client):
    return AppTest.from_function(page, default_timeout=20).run()


def press(bench, label):
    button(bench, label).click()
    bench.run()
    assert not bench.exception
    return bench


def downloads(bench):
    return [one.proto.label for one in bench.get("download_button")]


def test_nothing_is_made_without_a_click(bench, client):
    assert client.asked == []
    assert downloads(bench) == []
    assert "opens without a network" in html(bench)


def test_a_report_comes_as_a_page_and_as_data(bench, client):
    press(bench, "Make the report")
    assert downloads(bench) == ["Download the page", "Download its data"]
    assert "14 B together" in html(bench)
    assert {type(one) for one in client.asked} == {GetReport}
    assert client.asked[0].against is None


def test_while_it_is_made_it_says_how_far_it_is(bench, client):
    client.busy = True
    press(bench, "Make the report")
    assert bench.get("progress")[0].proto.text == "trying cle · 1 of 3"
    press(bench, "Cancel")
    assert "Cancelled" in html(bench)
    assert downloads(bench) == []


def test_the_difference_from_the_baseline_is_offered_where_there_is_one(bench, client):
    bench.session_state.histories = {REF: History((preset("w8a8"), preset("w4a8")), cursor=1)}
    bench.session_state.baselines = {REF: preset("w8a8")}
    bench.run()
    bench.segmented_control(key="report-kind").set_value("against").run()
    assert "which of the two does better" in html(bench)
    press(bench, "Make the report")
    assert client.asked[-1].against == preset("w8a8")


def test_a_report_that_was_removed_can_be_made_again(bench, client, tmp_path):
    press(bench, "Make the report")
    for file in tmp_path.iterdir():
        file.unlink()
    bench.run()
    assert "has been removed" in html(bench)
    press(bench, "Make it again")
    assert len(downloads(bench)) == 2
