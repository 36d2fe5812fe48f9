"""A workshop: who comes in, what is shut there, what the teacher sees."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.classroom import Answered, Classroom, Participant, Room, workshop
from qdebug.classroom.content import lessons
from qdebug.results import ModelRef
from qdebug.web.workshop import joining, progress
from qdebug.web.workshop.teacher import wall_html
from tests.web.conftest import APP, PATIENCE, html, settle


def answered(given, *, right, tries=1):
    return Answered(given, right=right, tries=tries, at=0.0)


def test_a_room_keeps_its_code_and_its_secret_over_a_restart(tmp_path):
    one = Classroom(tmp_path).room("monday")
    assert Classroom(tmp_path).room("monday") == one
    other = Classroom(tmp_path).room("tuesday")
    assert (one.code, one.teacher) != (other.code, other.teacher)
    assert len(one.code) == 6
    assert set(one.code) <= set("ABCDEFGHJKMNPQRSTUVWXYZ23456789")


def test_a_reset_forgets_one_room_alone(tmp_path):
    here = Classroom(tmp_path)
    for who, room in (("a", "monday"), ("b", "tuesday")):
        here.join(who, room, who.upper())
        here.record(who, "affine", "scale", "1", right=True)
    code = here.room("monday").code
    here.reset("monday")
    assert (here.participants("monday"), here.answers("a"), here.who("a", "monday")) == ((), {}, None)
    assert [one.name for one in here.participants("tuesday")] == ["B"]
    assert here.answers("b")
    assert here.room("monday").code == code


def test_the_teacher_sees_who_is_where_and_what_is_hard():
    first = lessons()[0]
    ask = first.slug, first.questions[0].name
    answers = [{ask: answered("1", right=True, tries=2)}, {ask: answered("7", right=False, tries=4)}, {}]
    assert [progress.state_of(first, one) for one in answers] == ["✓", "…", ""]
    (row,) = progress.hardness(lessons(), answers)
    assert (row.right, row.asked, row.tries, row.wrong) == (1, 2, 3.0, "7")
    assert progress.finding(lessons(), answers) == "3 participants; most have not done the first lesson yet"
    assert progress.finding(lessons(), answers[:1]).endswith("most have done lesson 1")
    assert progress.finding(lessons(), []) == "Nobody is in yet"


def test_the_wall_names_an_address_that_others_can_open():
    one = Room("monday", "123 456", "secret")
    assert "<b>http://10.0.0.7:8501</b>" in wall_html(one, "http://10.0.0.7:8501/teacher?teacher=secret")
    for here in ("http://localhost:8501/teacher", "http://127.0.0.1:8501/", "http://[::1]:8501/", ""):
        assert "Open the address of this app" in wall_html(one, here)


def test_names_and_answers_are_shown_and_never_run():
    evil = "<img src=x onerror=alert(1)>"
    first = lessons()[0]
    answers = [{(first.slug, first.questions[0].name): answered(evil, right=False)}]
    text = progress.people_html(lessons(), [Participant("a", evil, 0.0)], answers)
    text += progress.hardness_html(progress.hardness(lessons(), answers))
    assert "<img" not in text
    assert text.count("&lt;img") == 2


def test_only_samples_on_their_own_data_are_samples():
    assert joining.is_sample(ModelRef(model="digits-vit"))
    assert not joining.is_sample(ModelRef(model="digits-vit", data="/etc/passwd"))
    assert not joining.is_sample(ModelRef(model="/etc/passwd"))


@pytest.fixture
def room(monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WORKSHOP", "monday")
    monkeypatch.setenv("QDEBUG_MODEL", "digits-mobilenet")
    monkeypatch.setattr("qdebug.classroom.store.workspace", lambda: tmp_path)
    return Classroom().room("monday")


def visit(**address):
    app = AppTest.from_file(APP, default_timeout=PATIENCE)
    app.query_params.update(address)
    return settle(app)


def join(app, code, name):
    app.text_input(key="join-code").set_value(code)
    app.text_input(key="join-name").set_value(name)
    next(one for one in app.button if one.label == "Join").click()
    return html(settle(app))


def test_nobody_comes_in_without_the_code(room):
    app = visit()
    assert "q-strip" not in html(app)
    assert "There is no such code" in join(app, "WRONG1", "Ada")
    assert "Give a name" in join(app, room.code, " ")
    assert "q-strip" in join(app, " ".join(room.code.lower()), "Ada")  # as wide as the wall shows it
    assert [one.name for one in Classroom().participants("monday")] == ["Ada"]
    assert not [one for one in app.button if one.label.startswith("Open a file")]
    app.session_state.ref = ModelRef(model="/etc/passwd")
    assert "q-strip" in html(settle(app))
    assert app.session_state.ref == ModelRef(model="digits-mobilenet")


def test_the_teacher_comes_in_by_a_secret_that_leaves_the_address(room):
    visit_of_one = visit()
    join(visit_of_one, room.code, "Ada")
    app = visit(teacher=room.teacher)
    assert "teacher" not in app.query_params
    app.switch_page("pages/teacher.py")
    text = html(settle(app))
    assert room.code in text
    assert "Ada" in text
    app.button(key="room-reset").click()
    assert "Nobody is in yet" in html(settle(app))


def test_the_teachers_page_is_for_the_teacher_alone(room):
    app = visit(teacher="guessed")
    assert "q-strip" not in html(app)
    join(app, room.code, "Eve")
    app.switch_page("pages/teacher.py")
    text = html(settle(app))
    assert "This page is the teacher" in text
    assert room.code not in text


def test_without_a_workshop_there_is_no_door(monkeypatch):
    monkeypatch.delenv("QDEBUG_WORKSHOP", raising=False)
    assert workshop() is None
    assert joining.is_in()
