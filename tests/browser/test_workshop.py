"""A workshop in browsers: two participants and their teacher on one server."""

import re

import pytest
from playwright.sync_api import expect

from benchmarks._screen import PATIENCE, Screen, served
from qdebug.classroom import Classroom


@pytest.fixture
def room(runtime_dir, tmp_path):
    """The room, and where it is served."""
    folder = tmp_path / "workspace"
    here = Classroom(folder).room("monday")
    with served(tmp_path / "log", runtime_dir, QDEBUG_WORKSHOP="monday", QDEBUG_WORKSPACE=str(folder)) as address:
        yield here, address


def test_a_reload_keeps_a_participant_and_the_answers_and_the_teacher_sees_them(browser, room):
    here, address = room
    contexts = [browser.new_context() for _ in range(3)]
    ada, eve, teacher = (Screen(context.new_page(), address) for context in contexts)
    for one, name in ((ada, "Ada"), (eve, "Eve")):
        one.go("lesson-affine")
        one.page.get_by_label("Code").fill(here.code)
        one.page.get_by_label("Your name").fill(name)
        one.page.get_by_role("button", name="Join").click()
        one.page.wait_for_selector("text=What is the scale?")
    said = ada.rest().page.get_by_text("What is the scale?").inner_text()
    largest = max(float(number) for number in re.findall(r"0\.1\d+", said))
    ada.page.get_by_label("Your answer").fill(f"{largest / 127:.6f}")
    ada.page.get_by_role("button", name="Check").click()
    ada.page.wait_for_selector("text=Right.")
    ada.page.reload()  # another session of the server; the cookie says who it is
    ada.page.wait_for_selector("text=Right.")
    eve.page.reload()
    eve.page.wait_for_selector("text=What is the scale?")
    assert eve.rest().page.get_by_text("Right.").count() == 0
    teacher.page.goto(f"{address}/teacher?teacher={here.teacher}")
    row = teacher.page.locator("table.q-room tr", has_text="Ada")
    expect(row).to_contain_text("✓", timeout=PATIENCE)
    assert here.teacher not in teacher.page.url
    assert "✓" not in teacher.page.locator("table.q-room tr", has_text="Eve").inner_text()
    assert [one.faults for one in (ada, eve, teacher)] == [[], [], []]
    for context in contexts:
        context.close()
