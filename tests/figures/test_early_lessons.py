"""Pictures that lessons draw: what their titles find, and what they show."""

import pytest

from qdebug.figures.lessons.clipping import clip_curve, clip_finding, gain_db
from qdebug.figures.lessons.codes import channel_codes, codes_finding, codes_reached
from qdebug.figures.lessons.grids import gains_finding, grid_gains
from qdebug.figures.lessons.reach import range_bars, reach_finding
from qdebug.figures.lessons.ways import way_marks, ways_finding
from qdebug.results import ClipCurve, InputRanges
from tests.figures.values import ranges


def curve(clipping, rounding):
    parts = tuple((step + 1) / len(clipping) for step in range(len(clipping)))
    return ClipCurve(format="int4", largest=2.0, parts=parts, clipping=clipping, rounding=rounding)


def test_a_clip_curve_says_what_the_best_limit_gains():
    found = curve((3.0, 0.5, 0.0), (0.1, 0.5, 10.0))
    assert gain_db(found) == pytest.approx(10.0)
    assert "clipping pays" in clip_finding(found)
    assert "10.0\xa0dB" in clip_finding(found)
    assert "hardly pays" in clip_finding(curve((3.0, 0.5, 0.0), (0.1, 0.5, 1.1)))
    assert clip_finding(curve((0.0,), (0.0,))) == "There is no error at any limit"


@pytest.mark.parametrize("dark", [False, True])
def test_a_clip_curve_shows_both_errors_their_sum_and_its_lowest_point(dark):
    figure = clip_curve(curve((3.0, 0.5, 0.0), (0.1, 0.5, 10.0)), dark=dark)
    clipping, rounding, whole, lowest = figure.data
    assert clipping.y == (30.0, 5.0, None)
    assert rounding.y == (1.0, 5.0, 100.0)
    assert whole.y == pytest.approx((31.0, 10.0, 100.0))
    assert (lowest.x[0], lowest.y[0]) == pytest.approx((200 / 3, 10.0))
    assert lowest.customdata[0][0] == "50\xa0%"
    assert clip_curve(curve((0.0,), (0.0,)), dark=dark).layout.title.text


@pytest.mark.parametrize("dark", [False, True])
def test_gains_of_a_zero_point_show_inputs_beside_weights(dark):
    rows = [("relu", 6.04, 0.4), ("<b>", 0.7, 1.25)]
    assert gains_finding(rows) == "A zero point gains up to 6.0\xa0dB for inputs, up to 1.2\xa0dB for weights"
    inputs, weights = grid_gains(rows, dark=dark).data
    assert (inputs.x, weights.x) == ((6.04, 0.7), (0.4, 1.25))
    assert inputs.customdata[1][0] == "&lt;b&gt;"


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_channels_have_few_codes_of_one_scale_and_all_of_their_own(dark):
    found = ranges([1.0, 127.0, 12.7, 0.0])
    one, own = (codes_reached(found, 127, own=each) for each in (False, True))
    assert one == (3, 255, 27, 1)
    assert own == (255, 255, 255, 1)
    assert codes_finding(one, 255) == "2 of 4 channels have at most 3 of 255 codes"
    assert codes_finding(own[:3], 255) == "Every one of 3 channels has at least 255 of 255 codes"
    (marks,) = channel_codes(one, found, 255, dark=dark).data
    assert marks.y == (255, 27, 3, 1)
    assert [row[0] for row in marks.customdata] == [1, 2, 0, 3]
    assert marks.marker.symbol == ("circle", "circle", "diamond", "diamond")


@pytest.mark.parametrize("dark", [False, True])
def test_ranges_are_held_against_the_one_that_serves_them_all(dark):
    found = InputRanges(layer="x", clip=(-2.0, 2.0), low=((-1.0, 0.0), (-2.0, -1.0)), high=((0.5, 1.0), (0.0, 1.0)))
    assert found.samples == ((-1.0, 1.0), (-2.0, 1.0))
    assert found.tokens(1) == ((-2.0, 0.0), (-1.0, 1.0))
    said = reach_finding(found.samples, found.clip, "sample", "static range").replace("\xa0", " ")
    assert said == "The median sample needs 62 % of the static range; the least is 50 %, the most 75 %"
    assert "nothing but zero" in reach_finding(found.samples, (0.0, 0.0), "sample", "static range")
    figure = range_bars(found.samples, found.clip, "sample", "static range", dark=dark, chosen=1)
    (bars,) = figure.data
    assert (bars.base, bars.y) == ((-1.0, -2.0), (2.0, 3.0))
    assert bars.marker.color[0] != bars.marker.color[1]
    assert [line.y0 for line in figure.layout.shapes] == [-2.0, 2.0]


@pytest.mark.parametrize("dark", [False, True])
def test_ways_to_quantize_an_input_stand_side_by_side(dark):
    levels = {"static": [36.0, 38.0], "dynamic": [39.0, 38.1], "per token": [43.5, 38.2]}
    assert ways_finding(levels) == "1 of 2 inputs gain from ranges per token, up to 7.5\xa0dB; 1 do not"
    figure = way_marks(["a", "b<c>"], levels, dark=dark)
    assert [list(marks.x) for marks in figure.data] == list(levels.values())
    assert len({marks.marker.symbol for marks in figure.data}) == 3
    assert figure.layout.yaxis.ticktext[1] == "b&lt;c&gt;"
