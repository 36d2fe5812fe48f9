"""What ``qdebug search`` prints about its front."""

from qdebug.cli.search import describe
from tests.figures.test_mixture import FRONT, mixture, point


def test_predictions_that_were_set_right_have_a_column_and_a_sentence():
    right = point(5, 1.0, expected=0.5, expected_ci95=(0.4, 0.7))
    text = describe(mixture(right, *FRONT[1:], taught_by=4, missed=0.031))
    assert "set right" in text.splitlines()[2]
    assert "0.500 (0.400 to 0.700)" in text
    said = " ".join(text.split())
    assert "Set right by 4 measured mixtures (those that ruin the model aside), with 95 % intervals." in said
    assert "Left out, these would have been missed by 3.1 % (median)." in said


def test_without_there_is_neither():
    text = describe(mixture(*FRONT))
    assert "set right" not in text.lower()
    assert "Left out" not in text
