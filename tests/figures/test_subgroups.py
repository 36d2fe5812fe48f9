"""The figure and the sentence of classes and groups."""

import pytest

from qdebug.figures import colours, subgroup_changes
from qdebug.figures.subgroups import p_words, subgroups_finding
from qdebug.results import Metric, Subgroup, Subgroups
from tests.figures.values import score


def row(name, delta, *, key="class", p=1.0, name_of="accuracy", **more):
    base = 0.9 if name_of == "accuracy" else 5.0
    values = {
        "key": key, "name": name, "n": 50, "float_": base, "quantized": base + delta, "delta": delta,
        "ci95": (delta - 0.05, delta + 0.05), "flips": 4, "predictions": 50, "p": p,
        "significant": p is not None and p <= 0.05,
    }  # fmt: skip
    return Subgroup(**(values | more))


def overall(delta=-0.011, name="accuracy") -> Metric:
    start = 0.9 if name == "accuracy" else 5.0
    return score(start + delta, float_=start, name=name, higher=name != "perplexity").metric


def test_the_worst_is_named_with_what_it_lost_and_among_how_many():
    rows = (row("3", -0.02), row("7", -0.062, p=0.01), row("8", 0.01))
    assert subgroups_finding(overall(), rows) == (
        "Class 7 lost 6.20 points (95 %: −11.2 to −1.20), more than chance explains among 3 classes; "
        "all data −1.10 points"
    )
    more = (*rows, row("day", -0.05, key="group", p=0.02), row("night", -0.04, key="group", p=0.03))
    assert "among 5 classes and groups; so did 2 others; all data" in subgroups_finding(overall(), more)
    assert "so did group day" in subgroups_finding(overall(), more[:4])


def test_that_none_lost_more_than_chance_explains_is_said():
    assert subgroups_finding(overall(), (row("a", -0.5), row("b", 0.0))) == (
        "No class lost more than chance explains; class a lost most, 50.0 points (95 %: −55.0 to −45.0)"
    )
    gained = (row("a", 0.5, p=0.001), row("b", 0.0, key="group"))
    assert subgroups_finding(overall(), gained) == "No class or group lost more than chance explains"
    assert subgroups_finding(overall(), ()) == "The data name no two classes or groups"


def test_a_perplexity_rises():
    rows = (row("law", 1.2, key="group", p=0.001, name_of="ppl"), row("news", 0.1, key="group", name_of="ppl"))
    assert subgroups_finding(overall(0.3, "perplexity"), rows) == (
        "Group law lost 1.20 in perplexity (95 %: +1.15 to +1.25), more than chance explains among 2 groups; "
        "all data +0.300"
    )


def test_without_labels_what_changed_most_is_named():
    rows = (row("a", -0.2, p=None), row("b", -0.1, p=None))
    assert subgroups_finding(overall(), rows) == "Class a changed most, −20.0 points, all data −1.10 points"
    same = (row("a", 0.0, p=None), row("b", 0.0, p=None))
    assert subgroups_finding(overall(), same) == "No class changed"


@pytest.mark.parametrize("dark", [False, True])
def test_rows_stand_worst_first_and_trouble_has_its_mark(dark):
    rows = (row("3", -0.02), row("<b>", -0.062, p=0.01), row("8", 0.01))
    found = Subgroups(recipe="r", overall=overall(), rows=rows, seconds=0.1)
    figure = subgroup_changes(found, dark=dark)
    points = figure.data[-1]
    assert list(points.y) == ["class <b>", "class 3", "class 8"]
    assert list(points.x) == pytest.approx([-6.2, -2.0, 1.0])
    assert list(points.marker.symbol) == ["diamond", "circle", "circle"]
    assert points.marker.color[0] == colours.TROUBLE.on(dark)
    assert list(figure.data[0].x) == pytest.approx([-11.2, -1.2])
    assert points.customdata[0][0] == "class &lt;b&gt;"
    assert figure.layout.xaxis.title.text == "change of accuracy, points, with its 95 % interval"
    assert "<b>" not in figure.layout.title.text


def test_only_the_worst_are_drawn_of_many():
    rows = tuple(row(str(index), -0.001 * index) for index in range(300))
    found = Subgroups(recipe="r", overall=overall(), rows=rows, seconds=0.1)
    assert list(subgroup_changes(found, dark=False, most=5).data[-1].y) == [f"class {299 - i}" for i in range(5)]


def test_p_in_words():
    assert [p_words(one) for one in (None, 1e-9, 0.03125, 0.5, 0.999)] == ["–", "<0.001", "0.0312", "0.500", "1"]
