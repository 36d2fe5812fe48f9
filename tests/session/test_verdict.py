"""The finding in one sentence: it neither alarms nor reassures without ground."""

from qdebug.results import Share, Shares
from qdebug.session.verdict import verdict
from tests.figures.values import score

SHARES = Shares(recipe="r", n=5, seconds=0.1, rows=(
    Share(name="a", isolated=1.0, share=0.1, metric=0.9), Share(name="b", isolated=9.0, share=0.9, metric=0.5),
))  # fmt: skip


def test_the_layers_that_do_the_damage_are_named():
    said = verdict(score(0.5), SHARES, None)
    assert said.text == "1 of 2 layers causes 90 % of the damage. Worst is b."
    assert said.worst == ("b",)
    assert not said.healthy


def test_a_point_is_no_damage():
    assert verdict(score(0.981), SHARES, None).healthy


def test_a_float_model_that_is_always_wrong_is_not_praised():
    said = verdict(score(0.0, float_=0.0), SHARES, None)
    assert not said.healthy
    assert "check that labels and preprocessing" in said.text


def test_few_samples_are_said_to_be_few():
    assert "only" not in verdict(score(0.99), SHARES, None).text
    assert "within 46 points only" in verdict(score(0.99, ci=(-0.46, 0.46)), SHARES, None).text


def test_outputs_without_labels_are_told_in_decibels_and_as_a_part():
    said = verdict(score(30.5, float_=150.0, name="sqnr_db", ci=(-120.0, -119.0)), SHARES, None)
    assert said.text == "This recipe is sound: output SQNR 30.5 dB, an error of 3 % of the output."
