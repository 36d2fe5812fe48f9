"""The pictures that only lessons draw: what they find, and that what is chosen stands out."""

import pytest

from qdebug.figures import colours
from qdebug.figures.lessons.code_lines import grid_lines, near_zero, positions
from qdebug.figures.lessons.rounding import (
    CODES,
    Rounded,
    corners,
    corners_finding,
    cosines,
    errors_of,
    nearest,
    roundings,
)  # fmt: skip
from qdebug.figures.lessons.smoothing import alpha_curve, alpha_finding
from qdebug.figures.lessons.training import Staircase, descend, descent, staircase
from qdebug.results import InputCosines

ERRORS = {0.0: 4.0, 0.5: 0.5, 1.0: 2.0}


def test_the_curve_of_alphas_says_what_the_best_of_them_gains():
    assert alpha_finding(ERRORS, 20.0) == "The best α leaves 0.500 of error, 40× less than without smoothing"
    assert alpha_finding(ERRORS, 0.4) == "No α makes the error smaller than it is without smoothing"


@pytest.mark.parametrize("dark", [False, True])
def test_the_chosen_alpha_is_filled_and_the_axis_is_logarithmic(dark):
    figure = alpha_curve(ERRORS, 20.0, 0.5, dark=dark)
    (line,) = figure.data
    assert list(line.y) == [4.0, 0.5, 2.0]
    assert [one == colours.ACCENT.on(dark) for one in line.marker.color] == [False, True, False]
    assert figure.layout.yaxis.type == "log"
    assert "per sample" in figure.layout.yaxis.title.text
    assert figure.layout.shapes[0].y0 == 20.0


def test_every_format_has_its_numbers_on_a_line_of_its_own():
    figure = grid_lines(("int4", "nf4", "fp4"), dark=False)
    assert [len(line.x) for line in figure.data] == [16, 16, 15]
    assert {max(line.x) for line in figure.data} == {1.0}
    assert figure.layout.title.text.startswith("NormalFloat 4 has 37.5")


def test_even_codes_are_seldom_near_0_and_those_of_floats_often():
    assert positions("int4")[0] == -8 / 7
    assert near_zero("int4") == 3 / 16
    assert near_zero("fp4") == 5 / 15


def test_the_error_of_two_weights_is_that_of_their_output():
    for code, error in errors_of((0.4, 0.4), 1.0).items():
        assert error == pytest.approx((sum(code) - 0.8) ** 2)
    for code, error in errors_of((0.4, 0.2), 0.0).items():
        assert error == pytest.approx((code[0] - 0.4) ** 2 + (code[1] - 0.2) ** 2)


def test_the_nearest_codes_are_the_best_only_where_inputs_do_not_go_together():
    assert nearest((0.3, 0.7)) == (0, 1)
    assert "is the best here" in corners_finding((0.3, 0.3), 0.0)
    assert "leaves 0.202" in corners_finding((0.3, 0.3), 0.9)
    figure = corners((0.3, 0.3), 0.9, dark=False)
    codes = [trace for trace in figure.data if trace.type == "scatter" and trace.text is not None]
    assert [(trace.x[0], trace.y[0]) for trace in codes] == list(CODES)
    filled = [trace.marker.color == colours.ACCENT.light for trace in codes]
    assert filled == [False, True, True, False]
    assert [trace.marker.symbol for trace in codes] == ["square", "circle", "circle", "circle"]


def test_cosines_and_kinds_of_rounding_state_what_they_show():
    found = InputCosines(
        layer="<b>", channels=(0, 3), total=4, cosines=((1.0, 0.5), (0.5, 1.0)), typical=0.25, n=9
    )  # fmt: skip
    figure = cosines(found, dark=True)
    assert "&lt;b&gt;" in figure.layout.title.text
    assert "±0.250" in figure.layout.title.text
    assert list(figure.data[0].z[0]) == [1.0, 0.5]
    figure = roundings({"nearest": Rounded(12.7, 17.2), "GPTQ": Rounded(9.2, 22.2)}, dark=False)
    assert figure.layout.title.text == "GPTQ: weights 3.5 dB worse, output 5.0 dB better"
    assert [trace.name for trace in figure.data] == ["weights", "output"]
    worse = roundings({"nearest": Rounded(12.0, 17.0), "GPTQ": Rounded(9.0, 16.0)}, dark=False)
    assert worse.layout.title.text == "Nothing gains over nearest here"


STAIRS = Staircase(step=0.5, low=-1.0, high=1.0)


@pytest.mark.parametrize(
    ("x", "value", "slope"), [(0.3, 0.5, 1), (0.2, 0.0, 1), (-0.6, -0.5, 1), (1.3, 1.0, 0), (-9, -1, 0)]
)
def test_the_staircase_rounds_and_its_slope_passes_inside_the_range(x, value, slope):
    assert STAIRS.value(x) == value
    assert STAIRS.slope(x) == slope


def test_a_weight_is_pushed_to_the_code_of_its_target_and_stays():
    found = descend(STAIRS, -0.7, 0.5, 0.03, 40)
    assert (found.values[0], found.values[-1], found.tips) == (-0.5, 0.5, 2)
    assert not found.swings
    assert found.weights[-1] == found.weights[-2]
    assert "from −0.500 to 0.500" in descent(found, dark=False).layout.title.text


def test_a_target_between_codes_is_never_reached_and_outside_nothing_moves():
    found = descend(STAIRS, 0.0, 0.3, 0.1, 40)
    assert found.swings
    assert set(found.values) == {0.0, 0.5}
    assert "to and fro" in descent(found, dark=True).layout.title.text
    still = descend(STAIRS, 1.4, 0.0, 0.1, 40)
    assert set(still.weights) == {1.4}
    assert "never tips" in descent(still, dark=False).layout.title.text


def test_the_picture_of_the_staircase_shows_the_weight_where_it_is_rounded_to():
    figure = staircase(STAIRS, 0.3, dark=False)
    rounded, through, weight = figure.data
    assert set(rounded.y) == {-1.0, -0.5, 0.0, 0.5, 1.0}
    assert (min(through.y), max(through.y)) == (-1.0, 1.0)
    assert (weight.x[0], weight.y[0]) == (0.3, 0.5)
    assert figure.layout.title.text == "The true slope is 0 at 0.30, the straight-through estimate is 1"
    assert staircase(STAIRS, 0.25, dark=False).layout.title.text.startswith("There is no true slope at 0.25")
