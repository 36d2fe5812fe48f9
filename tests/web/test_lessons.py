"""Lessons: what is written, how answers are judged and kept, and the page itself over the compute process."""

import pytest

from qdebug.classroom import Answered, Classroom
from qdebug.classroom.answer import Choice, Number, read
from qdebug.classroom.content import ORDER, Ask, Draw, Words, filled, folder, lesson, lessons, parse
from qdebug.places import sample_names
from qdebug.web.lessons.catalogue import is_done, lead
from qdebug.web.lessons.question import feedback_html
from tests.web.conftest import check, html, settle, take

TEXT = """---
title: A title
minutes: 5
model: digits-vit
recipe: w8a8
goal: Do something.
---
Words with $\\tfrac{1}{2}$.

<!-- draw: one -->

More.

<!-- ask: what -->
How much is **{layer}**?
<!-- hint -->
Look.
<!-- why -->
It is {answer}.
"""


def test_a_lesson_is_words_pictures_and_questions():
    found = parse("affine", TEXT)
    assert (found.title, found.minutes, found.model, found.recipe) == ("A title", 5, "digits-vit", "w8a8")
    assert found.parts == (
        Words("Words with $\\tfrac{1}{2}$."), Draw("one"), Words("More."),
        Ask("what", "How much is **{layer}**?", "Look.", "It is {answer}."),
    )  # fmt: skip
    assert filled(found.questions[0].question, {"layer": "a.b"}) == "How much is **a.b**?"
    with pytest.raises(KeyError):
        filled("{missing}", {})


def test_a_lesson_that_is_written_wrongly_says_where():
    with pytest.raises(ValueError, match="lesson affine has the fields"):
        parse("affine", TEXT.replace("minutes: 5\n", ""))
    with pytest.raises(ValueError, match="question what of lesson affine"):
        parse("affine", TEXT.replace("<!-- hint -->\nLook.\n", ""))


def test_every_lesson_can_be_taken():
    assert {path.stem for path in folder().glob("*.md")} == set(ORDER) == {path.stem for path in folder().glob("*.py")}
    for one in lessons():
        assert one.model in sample_names()
        assert 5 <= one.minutes <= 10
        assert one.questions
        assert any(isinstance(part, Draw) for part in one.parts)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.31", 0.31), ("0,31 dB", 0.31), (" −3", -3.0), ("12 %", 12.0), ("1.4e-3", 0.0014), (".5", 0.5), ("x", None),
     ("", None)],
)  # fmt: skip
def test_numbers_are_read_as_people_type_them(text, number):
    assert read(text) == number


def test_an_answer_is_right_if_it_is_near_enough_or_one_of_those_that_count():
    number = Number(10.0, within=1.0)
    assert [number.is_right(text) for text in ("9", "11", "8.9", "ten")] == [True, True, False, False]
    choice = Choice(("a", "b", "c"), right=("a", "c"))
    assert [choice.is_right(text) for text in "abcd"] == [True, False, True, False]


def test_what_was_right_stays_right_and_tries_are_counted(tmp_path):
    room = Classroom(tmp_path)
    assert room.answers("me") == {}
    for given, right in (("1", False), ("2", True), ("3", False)):
        room.record("me", "affine", "scale", given, right=right)
    room.record("you", "affine", "scale", "7", right=False)
    (found,) = Classroom(tmp_path).answers("me").values()
    assert (found.given, found.right, found.tries) == ("2", True, 2)
    assert not room.answers("you")["affine", "scale"].right


def test_a_lesson_is_done_when_all_its_questions_are():
    one = parse("affine", TEXT)
    answered = Answered("1", right=False, tries=1, at=0.0)
    assert not is_done(one, {})
    assert not is_done(one, {("affine", "what"): answered})
    assert is_done(one, {("affine", "what"): Answered("1", right=True, tries=1, at=0.0)})
    assert lead(0, 15) != lead(1, 15) != lead(15, 15)


def test_what_was_typed_is_shown_and_never_run():
    said = feedback_html(Number(1.0, 0.1), Answered("<img src=x>", right=False, tries=1, at=0.0), shown=False)
    assert "<img" not in said
    assert "is no number" in said
    assert feedback_html(Number(1.0, 0.1), None, shown=False) == ""


@pytest.mark.parametrize("slug", ORDER)
def test_a_lesson_is_drawn_whole_and_without_a_fault(visitor, slug):
    text = html(take(visitor, slug))
    assert lesson(slug).title in text
    assert 'role="alert"' not in text
    assert "Being measured" not in text
    assert len(visitor.text_input) + len(visitor.radio) == len(lesson(slug).questions)


def test_a_wrong_answer_gets_a_hint_and_a_right_one_the_reason(visitor):
    take(visitor, "affine")
    visitor.text_input[0].set_value("3")
    text = check(visitor)
    assert "Not yet: 3 is not it." in text
    assert any("Hint:" in one.value for one in visitor.markdown)
    weights = next(one.value for one in visitor.markdown if "lie between" in one.value)
    low = abs(float(weights.split("between ")[1].split(" and")[0].replace("−", "-")))
    visitor.text_input[0].set_value(f"{low / 127:.6f}")
    text = check(visitor)
    assert "Right." in text
    assert any("/ 127 =" in one.value for one in visitor.markdown)
    visitor.switch_page("pages/lessons.py")
    assert "done" in html(settle(visitor))
