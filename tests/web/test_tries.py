"""Join codes cannot be tried without end, from one address or from many."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.classroom import TRIES, Classroom, Tries
from qdebug.classroom.tries import MOST, MOST_HERE, SECONDS
from tests.web.conftest import APP, PATIENCE, html, settle


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_an_address_waits_after_some_wrong_codes_and_others_do_not():
    clock = Clock()
    tries = Tries(clock)
    for at in range(MOST_HERE):
        assert tries.wait("a") == 0.0
        clock.now = 100.0 + at
        tries.wrong("a")
    assert tries.wait("a") == 100.0 + SECONDS - clock.now
    assert tries.wait("b") == 0.0
    clock.now = 100.0 + SECONDS
    assert tries.wait("a") == 0.0  # the first of them is forgotten
    tries.wrong("a")
    assert tries.wait("a") == pytest.approx(1.0)


def test_many_addresses_wait_together():
    clock = Clock()
    tries = Tries(clock)
    for place in range(MOST):
        assert tries.wait(f"{place}") == 0.0
        tries.wrong(f"{place}")
    assert tries.wait("another") == SECONDS
    for _ in range(10 * MOST):
        tries.wrong("x")
    assert len(tries._wrong) <= 2 * MOST  # whoever goes on trying fills no memory
    clock.now += SECONDS
    assert tries.wait("another") == 0.0


@pytest.fixture
def door(monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WORKSHOP", "monday")
    monkeypatch.setattr("qdebug.classroom.store.workspace", lambda: tmp_path)
    monkeypatch.setattr("qdebug.web.workshop.joining.TRIES", Tries())
    monkeypatch.setattr("qdebug.web.workshop.joining.address", lambda: "10.0.0.9")
    return settle(AppTest.from_file(APP, default_timeout=PATIENCE)), Classroom().room("monday").code


def join(app, code):
    app.text_input(key="join-code").set_value(code)
    app.text_input(key="join-name").set_value("Ada")
    next(one for one in app.button if one.label == "Join").click()
    return html(settle(app))


def test_the_door_says_how_long_to_wait_and_takes_no_right_code_until_then(door):
    app, code = door
    for _ in range(MOST_HERE):
        assert "There is no such code" in join(app, "WRONG1")
    text = join(app, code)
    assert "Too many wrong codes were tried. Try again in" in text
    assert Classroom().participants("monday") == ()
    assert TRIES.wait("10.0.0.9") == 0.0  # the test's door has its own count
