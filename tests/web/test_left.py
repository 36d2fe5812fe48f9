"""What a page asks for after it was left neither brings it back nor empties the next one."""

from types import SimpleNamespace

import pytest
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from qdebug.web.core import left

FIRST, SECOND = "hash of the first page", "hash of the second page"


@pytest.fixture
def plain(monkeypatch):
    """Streamlit as it is, what runs noted down, with pages that were left passed over from now on."""
    for kind in (ScriptRequests, ScriptRunner):
        for name in ("request_rerun", "_run_script", left._MARK):
            if name in vars(kind):
                own = vars(kind)[name]
                monkeypatch.setattr(kind, name, getattr(own, "__wrapped__", own))
    monkeypatch.delattr(ScriptRequests, left._MARK, raising=False)
    ran = []
    monkeypatch.setattr(ScriptRunner, "_run_script", lambda self, asked: ran.append(asked))
    left.pass_over()
    left.pass_over()
    return ran


def part(page, name="part"):
    return RerunData(page_script_hash=page, fragment_id=name, is_auto_rerun=True)


def test_a_part_of_the_page_that_is_left_does_not_take_the_place_of_the_next_page(plain):
    requests = ScriptRequests()
    assert requests.request_rerun(RerunData(page_script_hash=SECOND))
    assert requests.request_rerun(part(FIRST))
    asked = requests.on_scriptrunner_ready()
    assert (asked.type, asked.rerun_data.page_script_hash) == (ScriptRequestType.RERUN, SECOND)


def test_a_part_of_the_page_that_is_shown_waits_its_turn(plain):
    requests = ScriptRequests()
    requests.request_rerun(part(SECOND))
    requests.request_rerun(part(SECOND, "another"))
    assert requests.on_scriptrunner_ready().rerun_data.fragment_id_queue == ["part", "another"]


def test_a_whole_page_is_always_asked_for(plain):
    requests = ScriptRequests()
    requests.request_rerun(RerunData(page_script_hash=FIRST))
    requests.request_rerun(RerunData(page_script_hash=SECOND))
    assert requests.on_scriptrunner_ready().rerun_data.page_script_hash == SECOND


def test_a_stopped_session_says_so(plain):
    requests = ScriptRequests()
    requests.request_stop()
    assert not requests.request_rerun(part(FIRST))


@pytest.mark.parametrize(
    ("asked", "shown", "runs"),
    [
        (RerunData(page_script_hash=FIRST, fragment_id_queue=["part"]), SECOND, False),
        (RerunData(page_script_hash=SECOND, fragment_id_queue=["part"]), SECOND, True),
        (RerunData(page_script_hash=FIRST), SECOND, True),  # somebody goes there
        (RerunData(page_script_hash=FIRST, fragment_id_queue=["part"]), "", True),  # the session's first run
        (RerunData(fragment_id_queue=["part"]), SECOND, True),  # a part that draws itself anew
    ],
)
def test_a_part_runs_on_its_own_page_alone(plain, asked, shown, runs):
    runner = SimpleNamespace(_get_script_run_ctx=lambda: SimpleNamespace(page_script_hash=shown))
    ScriptRunner._run_script(runner, asked)
    assert plain == [asked] * runs
