"""Two recipes in words and figures: which is better, by how much, and for whom."""

import msgspec
import pytest

from qdebug.figures import colours, group_differences
from qdebug.figures.comparison import (
    changes_finding,
    comparison_finding,
    flips_finding,
    groups_finding,
    interval_words,
    is_worse,
    layers_finding,
    sizes,
)
from qdebug.results import Flips
from tests.figures.compared import comparison, difference, group


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_verdict_names_both_values_the_interval_and_the_sizes():
    found = comparison(difference(0.98, 0.9, ci95=(-0.1, -0.06), p=1e-6))
    assert plain(comparison_finding(found)) == (
        "B is worse: accuracy 90.0 % against 98.0 %, −8.00 points (95 % interval −10.0 to −6.00); B is 2.00× smaller"
    )
    assert is_worse(found)
    better = comparison(difference(0.9, 0.98, ci95=(0.06, 0.1), p=1e-6))
    assert plain(comparison_finding(better)).startswith("B is better: accuracy 98.0 % against 90.0 %, +8.00 points")
    assert not is_worse(better)


def test_what_chance_explains_is_no_verdict():
    found = comparison(difference(0.9, 0.91, ci95=(-0.01, 0.03), p=0.4))
    assert plain(comparison_finding(found)).startswith(
        "B cannot be told apart from A: accuracy 91.0 % against 90.0 %, +1"
    )
    assert not is_worse(found)


def test_without_a_test_the_interval_decides():
    assert is_worse(comparison(difference(1.0, 0.9, name="agreement", ci95=(-0.2, -0.05), p=None)))
    assert not is_worse(comparison(difference(1.0, 0.99, name="agreement", ci95=(-0.02, 0.0), p=None)))


def test_a_perplexity_rises_and_decibels_have_a_unit():
    text = plain(comparison_finding(comparison(difference(3.4, 5.0, name="perplexity", ci95=(1.0, 2.0), p=1e-9))))
    assert text.startswith("B is worse: perplexity 5.00 against 3.40, +1.60 (95 % interval +1.00 to +2.00)")
    text = plain(comparison_finding(comparison(difference(20.0, 30.0, name="sqnr_db", ci95=(8.0, 12.0), p=1e-9))))
    assert text.startswith("B is better: output SQNR 30.0 dB against 20.0 dB, +10.0 dB (95 % interval +8.00 to +12.0)")


def test_decibels_are_not_subtracted_from_no_error():
    found = comparison(difference(150.0, 30.5, name="sqnr_db", ci95=(-120.0, -118.0), p=1e-9))
    assert plain(comparison_finding(found)).startswith("B is worse: output SQNR 30.5 dB against no error; B is ")


def test_the_same_recipe_and_the_same_answers_are_said_to_be():
    found = comparison(difference(0.9, 0.9, changed=0))
    assert plain(comparison_finding(found)) == (
        "A and B answer alike on all 100 samples, accuracy 90.0 %; B is 2.00× smaller"
    )
    same = msgspec.structs.replace(found, b=found.a)
    assert plain(comparison_finding(same)) == "A and B are the same recipe: accuracy 90.0 %"


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (1000, 1000, "both take 1.00 kB"), (1000, 880, "B is 12.0 % smaller"), (1000, 1100, "B is 10.0 % larger"),
        (1000, 3900, "B is 3.90× larger"),
    ],
)  # fmt: skip
def test_sizes(a, b, words):
    assert plain(sizes(comparison(difference(0.9, 0.9), sizes=(a, b)))) == words


def test_layers_and_flips_in_words():
    found = comparison(difference(0.9, 0.8))
    assert layers_finding(found) == "All 5 layers are treated alike"
    assert flips_finding((3, 0, 2), "sample", "labels", 100) == (
        "5 of 100 answers changed: 3 right only in A, 2 wrong in both"
    )
    assert flips_finding((0, 0, 0), "token", "float", 100) == "None of 100 tokens changed"
    assert "4 as in float only in B" in flips_finding((0, 4, 0), "token", "float", 100)
    assert "7 worse in B" in flips_finding((7, 0, 0), "output", "float", 7)


@pytest.mark.parametrize(
    ("counts", "unit", "reference", "said"),
    [
        ((3, 0, 2), "sample", "labels", "It changes 5 of 100 answers: 3 right only in float, 2 wrong in both"),
        ((0, 1, 0), "token", "labels", "It changes 1 of 100 tokens: 1 right only quantized"),
        ((4, 0, 0), "sample", "float", "It changes 4 of 100 answers"),
        ((0, 0, 0), "sample", "float", "It changes none of 100 answers"),
        ((7, 0, 0), "output", "float", "It moves 7 of 100 outputs: 7 worse than in float"),
        ((1, 2, 0), "image", "labels", "It changes 3 of 100 images: 1 worse than in float, 2 better than in float"),
    ],
)
def test_what_changes_from_float_in_words(counts, unit, reference, said):
    found = Flips(
        unit=unit, reference=reference, counts=counts, predictions=100, direction=None, start=0, total=sum(counts),
        rows=(),
    )  # fmt: skip
    assert changes_finding("It", found) == said


def test_groups_in_words():
    rows = (group("1", -0.1, p=0.01), group("2", 0.2, p=0.001), group("3", 0.0))
    found = comparison(difference(0.9, 0.95), groups=rows)
    assert plain(groups_finding(found)) == (
        "Class 2 gained most, +20.0 points, 2 of 3 changed by more than chance explains"
    )
    assert plain(groups_finding(comparison(difference(0.9, 0.8), groups=rows[::2]))) == (
        "Class 1 lost most, −10.0 points, more than chance explains among 2"
    )
    calm = comparison(difference(0.9, 0.9), groups=(group("x", -0.1, p=0.3, key="group"), group("3", 0.0)))
    assert groups_finding(calm) == "No group or class changed by more than chance explains"
    untested = comparison(difference(1.0, 0.9), groups=(group("x", -0.1, p=None), group("y", -0.3, p=None)))
    assert plain(groups_finding(untested)).startswith("Class y changed most, −30.0 points; all data −10.0 points")


@pytest.mark.parametrize("dark", [False, True])
def test_losses_have_their_mark_and_gains_stand_out(dark):
    rows = (group("<b>", -0.1, p=0.01), group("2", 0.2, p=0.001), group("3", 0.0))
    figure = group_differences(comparison(difference(0.9, 0.95), groups=rows), dark=dark)
    points = figure.data[-1]
    assert list(points.y) == ["class <b>", "class 3", "class 2"]
    assert list(points.x) == pytest.approx([-10, 0, 20])
    assert list(points.marker.symbol) == ["diamond", "circle", "circle"]
    assert list(points.marker.color) == [tone.on(dark) for tone in (colours.TROUBLE, colours.PLAIN, colours.INK)]
    assert points.customdata[0][0] == "class &lt;b&gt;"
    assert list(figure.data[0].x) == pytest.approx([-15, -5])
    assert figure.layout.xaxis.title.text == "accuracy of B minus A, points, with its 95 % interval"


def test_of_many_rows_those_that_changed_most_are_drawn():
    rows = tuple(group(str(place), (-1) ** place * 0.001 * place) for place in range(100))
    figure = group_differences(comparison(difference(0.9, 0.9), groups=rows), dark=False, most=4)
    assert list(figure.data[-1].y) == ["class 99", "class 97", "class 96", "class 98"]


def test_an_endless_interval_ends_where_the_axis_should():
    row = group("x", 0.5, ci95=(-float("inf"), float("inf")), name_of="perplexity")
    figure = group_differences(comparison(difference(3.0, 3.5, name="perplexity"), groups=(row,)), dark=False)
    assert list(figure.data[0].x) == [-2.0, 2.0]
    assert interval_words(row.difference) == "−∞ to +∞"
