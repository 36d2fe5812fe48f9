"""The calibration screen's figures and sentences, and the pictures of samples."""

import base64
import zlib

import pytest

from qdebug.figures import calibration_curve, colours, coverage_bars, range_growth
from qdebug.figures.calibration import (
    best_point,
    coverage_finding,
    curve_finding,
    growth_finding,
    multiple,
    setters_finding,
    worst_covered,
)
from qdebug.figures.picture import data_uri, png
from qdebug.results import (
    CalibrationCurve,
    CalibrationPoint,
    Coverage,
    Extreme,
    Picture,
    RangeSetters,
    SettingSample,
)


def words(text):
    return text.replace("\u00a0", " ")


def point(samples, *metrics, widths=(1.0,), narrowest=(1.0,)):
    return CalibrationPoint(samples=samples, metrics=metrics, widths=widths, narrowest=narrowest)


def curve(*points, enough, metric="accuracy", **more):
    values = {
        "recipe": "r", "metric": metric, "float_value": 0.95, "higher_is_better": metric != "perplexity",
        "points": points, "subsets": 2, "n": 100, "tolerance": 0.005, "enough": enough, "calibrated": 3,
        "seconds": 1.0,
    }  # fmt: skip
    return CalibrationCurve(**(values | more))


SETTLED = curve(
    point(1, 0.80, 0.90, widths=(0.5, 0.6), narrowest=(0.2, 0.3)),
    point(2, 0.899, 0.901, widths=(0.9, 0.92), narrowest=(0.8, 0.9)),
    point(4, 0.9),
    enough=2,
)


def end(value, sample=0, runner_up=0.0):
    return Extreme(value=value, sample=sample, runner_up=runner_up)


def tensor(name, outside=0.0, reach=0.0, **more):
    values = {
        "name": name, "between": False, "clip_min": -1.0, "clip_max": 2.0, "low": end(-1.0, 3, -0.5),
        "high": end(2.0, 7, 1.9), "narrower": 0.17, "outside_calibration": 0.0, "outside": outside, "reach": reach,
        "farthest": 5 if outside else None,
    }  # fmt: skip
    return Coverage(**(values | more))


def setters(*tensors, samples=()):
    return RangeSetters(
        recipe="r", tensors=tensors, samples=samples, setters=len(samples), limits=2, n_calib=8, n_eval=9, seconds=0.1
    )


def sample(number, limits, narrower, name="a"):
    return SettingSample(sample=number, label="4", limits=limits, tensors=(name,), narrower=narrower, narrowest=name)


def test_how_many_samples_are_enough():
    assert words(curve_finding(SETTLED)) == (
        "2 calibration samples are enough: from there on every subset's accuracy is within 0.5 points of that of all 4"
    )
    one = curve(point(1, 0.9, 0.9), point(2, 0.9), enough=1)
    assert curve_finding(one).startswith("1 calibration sample is enough")
    assert curve_finding(curve(point(4, 0.9), enough=4)) == "Nothing in this recipe depends on calibration data"


def test_what_has_not_settled_is_said_and_that_fewer_did_better():
    moving = curve(point(1, 0.7, 0.9), point(2, 0.88, 0.92), point(4, 0.902), enough=4)
    assert words(curve_finding(moving)) == (
        "At 2 calibration samples accuracy still depends on which are drawn, by 4.00 points"
    )
    worse = curve(point(1, 0.9, 0.92), point(2, 0.88, 0.9), point(4, 0.85), enough=4)
    assert words(curve_finding(worse)).endswith("which are drawn, by 2.00 points; on average 1 did better than all 4")
    rising = curve(point(1, 5.0, 6.0), point(2, 5.5, 7.0), point(4, 9.0), enough=4, metric="perplexity")
    assert best_point(rising).samples == 1
    assert "perplexity still depends on which are drawn, by 1.50;" in curve_finding(rising)


def test_how_wide_ranges_are():
    assert words(growth_finding(SETTLED)) == "At 2 samples the ranges have 91 % of their final width, the slowest 85 %"
    early = curve(point(1, 0.9, narrowest=(0.96, 0.97)), point(2, 0.9), enough=1)
    assert words(growth_finding(early)) == "From 1 sample on every range has 95 % of its final width"
    assert growth_finding(curve(point(2, 0.9), enough=2)) == "No tensor has a range from calibration data"


@pytest.mark.parametrize("dark", [False, True])
def test_the_curve_draws_mean_band_and_tolerance(dark):
    figure = calibration_curve(SETTLED, dark=dark)
    band, mean = figure.data
    assert list(band.x) == [1, 2, 4, 4, 2, 1]
    assert list(band.y) == pytest.approx([90, 90.1, 90, 90, 89.9, 80])
    assert list(mean.y) == pytest.approx([85, 90, 90])
    assert sorted(shape.y0 for shape in figure.layout.shapes) == pytest.approx([89.5, 90.5])
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.title.text == "accuracy, %"
    growth = range_growth(SETTLED, dark=dark)
    assert list(growth.data[1].y) == pytest.approx([55, 91, 100])
    assert list(growth.data[3].y) == pytest.approx([25, 85, 100])
    assert growth.layout.font.color == colours.INK.on(dark)


def test_what_leaves_the_ranges():
    found = setters(tensor("a"), tensor("b", 0.002, 0.5), tensor("c", 0.01, 1.25, outside_calibration=0.005))
    assert [row.name for row in worst_covered(found)] == ["c", "b", "a"]
    assert words(coverage_finding(found)) == (
        "1.0 % of the evaluation data's values (0.50 % of the calibration data's) leave the range of c, the worst of "
        "3 tensors; the farthest by 1.2× its width"
    )
    assert words(coverage_finding(setters(tensor("a", 2e-5, 0.1), tensor("b", 1e-5, 0.2)))) == (
        "Evaluation data all but stay in the calibrated ranges: at most 0.0020 % of a tensor's values leave (a), none "
        "farther than 0.2× the width"
    )
    assert coverage_finding(setters(tensor("a"))) == "No value of the evaluation data leaves its calibrated range"
    assert coverage_finding(setters()) == "No tensor has a range from calibration data"
    assert [multiple(one) for one in (0.0411, 0.5, 1.25, 12.0)] == ["0.041×", "0.5×", "1.2×", "12×"]
    figure = coverage_bars(found, dark=False)
    bars, marks = figure.data
    assert list(bars.x) == pytest.approx([1.0, 0.2, 0.0])
    assert list(marks.x) == pytest.approx([0.5, 0.0, 0.0])
    assert list(figure.layout.yaxis.ticktext) == ["c", "b", "a"]


def test_names_of_strangers_are_no_markup():
    figure = coverage_bars(setters(tensor("<b>x</b>", 0.1, 2.0)), dark=False)
    assert "<b>" not in figure.layout.title.text
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;x&lt;/b&gt;"


def test_who_sets_the_ranges():
    rows = (tensor("a"), tensor("b", low=None))
    found = setters(*rows, samples=(sample(7, 2, 0.05), sample(3, 1, 0.4)))
    assert words(setters_finding(found)) == (
        "Sample 7 sets 2 of 3 ends of the observed ranges; without sample 3, that of a would be 40 % narrower"
    )
    alone = setters(*rows, samples=(sample(7, 2, 0.2),))
    assert words(setters_finding(alone)).endswith("; without it, that of a would be 20 % narrower")
    assert setters_finding(setters(*rows)) == "No range is set by a single sample"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_a_png(channels):
    pixels = bytes(range(2 * 3 * channels))
    one = Picture(height=2, width=3, channels=channels, pixels=pixels)
    file = png(one)
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    assert file[16:26] == bytes([0, 0, 0, 3, 0, 0, 0, 2, 8, 0 if channels == 1 else 2])
    start = file.index(b"IDAT") + 4
    length = int.from_bytes(file[start - 8 : start - 4])
    lines = zlib.decompress(file[start : start + length])
    row = 3 * channels
    assert lines == b"\0" + pixels[:row] + b"\0" + pixels[row:]
    assert int.from_bytes(file[start + length : start + length + 4]) == zlib.crc32(file[start - 4 : start + length])
    assert base64.b64decode(data_uri(one).partition(",")[2]) == file


def test_a_picture_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="5 bytes for 2 × 3 × 1"):
        png(Picture(height=2, width=3, channels=1, pixels=bytes(5)))
