"""Eight people click at once, without an error; what would be one, or people in each other's way, is noticed."""

from benchmarks._participants import Participant
from benchmarks.promises.crowd import PROMISE, judged
from benchmarks.promises.promise import Allowance


def test_eight_people_click_at_once():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 8
    assert outcome.figures["clicks"] >= 2 * 8


def person(*seconds, errors=()):
    return Participant("", problems=list(errors), seconds=list(seconds))


def test_what_breaks_it_is_noticed():
    def said(*crowd, alone=(0.1, 0.1), is_long=False):
        return judged(alone, crowd, is_long=is_long).broken

    well = person(0.15, 0.2), person(0.1, 0.3)
    assert said(*well) == said(*well, is_long=True) == ()
    assert said(*well, person(0.1, errors=["a box"])) == ("person 2: a box",)
    assert said(*well, person()) == ("person 2 was answered no click",)
    assert said(person(0.5, 0.6), person(0.5, 0.5)) == ("a click took 0.500 s in the middle, 0.100 s alone",)
    slow = [person(0.1, 0.1, 0.1, 3.0), person(0.1, 0.1, 0.1, 0.1)]
    assert said(*slow) == ()
    assert said(*slow, is_long=True)[0].startswith("95 of 100 clicks took up to")
    assert said(person(0.1), alone=()) == ("there were no two clicks to compare",)
