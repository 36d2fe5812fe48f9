"""Figures and sentences on groups: ranges, the course of the metric, calibration on some of them."""

import pytest

from qdebug.figures import calibration_map, colours, group_course, range_lines, range_map
from qdebug.figures.grouped import calibration_finding, course_finding, numbered, ranges_finding, way_words
from qdebug.results import (
    CalibrationWay,
    GroupCalibration,
    GroupedTensor,
    GroupRange,
    GroupRanges,
    Metric,
    Subgroup,
    Subgroups,
)


def words(text):
    return text.replace("\u00a0", " ")


def reach(low, high, outside=None):
    return GroupRange(low=low, high=high, inner_low=low / 2, inner_high=high / 2, std=0.1, outside=outside)


def tensor(name, *highs, clip=None):
    groups = tuple(reach(-1.0, high, None if clip is None else 0.01) for high in highs)
    ends = {} if clip is None else {"clip_min": -1.0, "clip_max": clip}
    return GroupedTensor(name=name, groups=groups, **ends)


def ranges(*tensors, key="group"):
    return GroupRanges(recipe="r", key=key, groups=("5", "15"), samples=(4, 4), tensors=tensors, seconds=0.1)


def test_the_finding_names_the_range_that_changes_most():
    found = ranges(tensor("a", 1.0, 1.2), tensor("b", 1.0, 5.0))
    assert words(ranges_finding(found)) == (
        "1 of 2 ranges change by 1.5× or more between groups; that of b is 3.0× as wide in 15 as in 5"
    )
    still = ranges(tensor("a", 1.0, 1.2), key="class")
    assert words(ranges_finding(still)) == "Ranges hardly change between classes: at most 1.1×, in a"
    assert ranges_finding(GroupRanges(recipe="r", key="group", groups=(), samples=(), tensors=(), seconds=0.0)) == (
        "The data name no two groups"
    )


def test_the_map_has_each_groups_part_of_the_width_that_all_need():
    figure = range_map(ranges(tensor("<a>", 1.0, 3.0), tensor("b", 0.0, 0.0)), dark=False)
    assert [list(row) for row in figure.data[0].z] == [[50.0, 100.0], [100.0, 100.0]]
    assert list(figure.data[0].x) == ["5", "15"]
    assert figure.layout.yaxis.ticktext[0] == "&lt;a&gt;"
    assert figure.layout.xaxis.type == "category"


def test_a_tensor_that_is_zero_everywhere_drifts_by_nothing():
    flat = GroupedTensor(name="z", groups=(reach(0.0, 0.0), reach(0.0, 0.0)))
    assert flat.drift == 1.0
    assert [list(row) for row in range_map(ranges(flat), dark=True).data[0].z] == [[0.0, 0.0]]


def test_the_lines_of_one_layer_stand_in_its_calibrated_range():
    found = ranges(tensor("a", 1.0, 3.0, clip=3.0))
    figure = range_lines(found, "a", dark=False)
    _, high, low = figure.data
    assert (list(high.y), list(low.y)) == ([1.0, 3.0], [-1.0, -1.0])
    assert {shape.y0 for shape in figure.layout.shapes} == {-1.0, 3.0}
    assert "fills 50" in words(figure.layout.title.text)
    free = range_lines(ranges(tensor("a", 1.0, 3.0)), "a", dark=False)
    assert not free.layout.shapes
    assert "2.0× the narrowest" in free.layout.title.text


def row(name, float_, quantized, output_db=None, key="group"):
    return Subgroup(
        key=key, name=name, n=5, float_=float_, quantized=quantized, delta=quantized - float_, ci95=(0.0, 1.0),
        flips=0, predictions=0, p=0.5, significant=False, output_db=output_db,
    )  # fmt: skip


def metric(name="mse", *, higher=False):
    return Metric(
        name=name, float_=0.1, quantized=0.2, delta=0.1, ci95=(0.0, 0.2), quantized_ci95=(0.1, 0.3), flips=0, n=20,
        predictions=0, agreement=1.0, higher_is_better=higher,
    )  # fmt: skip


def test_groups_stand_in_the_order_of_their_numbers():
    rows = tuple(row(name, 0.1, 0.2) for name in ("100", "5", "20", "-3"))
    assert [one.name for _, one in numbered(rows)] == ["-3", "5", "20", "100"]
    assert numbered((*rows, row("rare", 0.1, 0.2))) == []
    assert numbered(rows[:3]) == []
    assert len(numbered((*rows, row("7", 0.1, 0.2, key="class")))) == 4


def test_the_course_has_both_models_and_the_outputs_sqnr():
    values = [("5", 0.5, 0.6, 12.0), ("15", 0.1, 0.2, 30.0), ("25", 0.01, 0.02, 31.0), ("100", 0.001, 0.002, 33.5)]
    found = Subgroups(recipe="r", overall=metric(), rows=tuple(row(*one) for one in values), seconds=0.1)
    figure = group_course(found, dark=False)
    assert words(figure.layout.title.text) == "The output keeps 12.0 dB in group 5, 33.5 in 100"
    before, after, outputs = figure.data
    assert list(before.x) == [5.0, 15.0, 25.0, 100.0]
    assert list(after.y) == [0.6, 0.2, 0.02, 0.002]
    assert list(outputs.y) == [12.0, 30.0, 31.0, 33.5]
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == ("log", "linear")


def test_the_course_of_a_share_is_in_percent_and_has_no_sqnr():
    rows = tuple(row(str(at), 0.9, 0.9 - at / 10) for at in range(4))
    found = Subgroups(recipe="r", overall=metric("accuracy", higher=True), rows=rows, seconds=0.1)
    figure = group_course(found, dark=True)
    assert len(figure.data) == 2
    assert list(figure.data[1].y) == pytest.approx([90, 80, 70, 60])
    assert figure.layout.yaxis.type == "linear"
    assert (
        words(course_finding(found.overall, numbered(rows)))
        == "Group 3 changes most, from 90.0 % to 60.0 % in accuracy"
    )
    even = [row(str(at), 0.5, 0.5, 30.0 + at / 10) for at in range(4)]
    assert "in every group" in course_finding(metric(), numbered(tuple(even)))


def way(name, counts, value, *by_group):
    return CalibrationWay(name=name, counts=counts, metric=value, low=value, high=value, by_group=by_group)


def calibrated(name="mse", *, higher=False):
    ways = (
        way("all", (9, 9), 0.12, 0.2, 0.04), way("uniform", (4, 4), 0.12, 0.2, 0.04),
        way("only 5", (9, 0), 0.3, 0.2, 0.4), way("only 15", (0, 9), 0.14, 0.24, 0.02),
    )  # fmt: skip
    return GroupCalibration(
        recipe="r", metric=name, higher_is_better=higher, float_value=0.11, key="group", groups=("5", "15"),
        evaluated=("5", "15"), float_by_group=(0.2, 0.02), ways=ways, draws=3, seconds=1.0,
    )  # fmt: skip


def test_the_finding_says_what_one_group_alone_costs():
    assert words(calibration_finding(calibrated())) == (
        "Calibrated on group 5 alone, mean squared error is 0.3, on group 15 alone 0.14; as many samples of all "
        "give 0.12, float has 0.11"
    )
    # of a share, the highest is best
    assert words(calibration_finding(calibrated("accuracy", higher=True))).startswith(
        "Calibrated on group 15 alone, accuracy is 14.0 %, on group 5 alone 30.0 %"
    )


def test_the_map_has_multiples_of_an_error_and_points_of_a_share():
    figure = calibration_map(calibrated(), dark=False)
    heat = figure.data[0]
    assert list(heat.x) == ["all", "5", "15"]
    assert list(heat.text[2]) == ["2.73×", "1.00×", "20×"]
    assert heat.z[2][1] == 0
    assert heat.z[2][2] > heat.z[2][0] > 0
    assert heat.colorscale[1][1] == colours.TROUBLE.light
    share = calibration_map(calibrated("accuracy", higher=True), dark=True).data[0]
    assert list(share.text[3]) == ["−3.00", "−4.00", "0"]
    assert share.z[3][0] == 0  # a gain is no harm


def test_ways_are_named_in_words():
    found = calibrated()
    assert [way_words(found, one) for one in found.ways] == ["all 18", "8, evenly", "group 5 alone", "group 15 alone"]


def test_names_of_groups_stay_text_and_long_ones_are_told_apart():
    def called(*names):
        tensors = (tensor("a", 1.0, 3.0),)
        found = GroupRanges(recipe="r", key="group", groups=names, samples=(4, 4), tensors=tensors, seconds=0.1)
        finding, picture = ranges_finding(found), range_map(found, dark=False)
        lines = range_lines(found, "a", dark=True)
        assert list(picture.data[0].x) == list(lines.data[1].x)
        return finding, list(picture.data[0].x)

    assert called("<b>x</b>", "y\u202e")[1] == ["&lt;b&gt;x&lt;/b&gt;", "y⟨U+202E⟩"]
    finding, names = called("a" * 40 + "1" + "z" * 40, "a" * 40 + "2" + "z" * 40)
    assert len(set(names)) == 2 and len(finding) < 200
