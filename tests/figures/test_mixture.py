"""The front of a mixed-precision search, drawn: what is measured is filled, what is chosen stands out."""

import msgspec
import pytest

from qdebug.figures import front_figure, map_figure
from qdebug.figures.mixture import UNITS, front_finding, map_finding, teachers
from qdebug.results import Mixture, MixturePoint
from tests.figures.values import score


def point(cost, predicted, columns=(0, 0), **more):
    counts = tuple(columns.count(place) for place in range(2))
    return MixturePoint(
        cost=cost, bits_per_weight=cost, bytes=int(cost * 1000), predicted=predicted, formats=counts, columns=columns,
        recipe={"version": 1}, **more,
    )  # fmt: skip


def mixture(*front, **changes):
    given = {
        "model": "net", "digest": "d", "unit": "bits", "how": "additive", "formats": ("w16a16", "w4a8-pc"),
        "layers": ("first", "<b>last</b>"), "budget": None, "max_drop": None, "front": front, "chosen": None,
        "words": "", "n": 10, "seconds": 1.0,
    }  # fmt: skip
    return Mixture(**given | changes)


FRONT = (
    point(4, 1.0, (1, 1)), point(6, 0.1, (1, 0), confirmed=0.12, metric=score().metric),
    point(8, 0.2, (0, 1), origin="uniform"), point(16, 1e-4, (0, 0)),
)  # fmt: skip


GUESSED = tuple(msgspec.structs.replace(one, confirmed=None, metric=None) for one in FRONT)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_both_figures_state_a_finding_and_name_their_axes(dark, unit):
    found = mixture(*FRONT, unit=unit)
    for figure in (front_figure(found, 1, dark=dark), map_figure(found, 1, dark=dark)):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text == UNITS[unit][0]


def test_the_finding_is_what_a_mixture_saves():
    finding = front_finding(mixture(*GUESSED)).replace("\u00a0", " ")
    assert finding == "A mixture errs no more than w16a16 everywhere and costs 25 % less"
    assert "none of which is both" in front_finding(mixture(*GUESSED[:2]))


@pytest.mark.parametrize(
    ("quantized", "said"),
    [(0.995, "6.00 bits per weight are enough to stay within 1 point of float: 99.5 %"),
     (0.5, "Nothing measured stays within 1 point of float")],
)  # fmt: skip
def test_what_was_measured_is_the_finding(quantized, said):
    found = mixture(*GUESSED[:1], point(6, 0.1, (1, 0), confirmed=0.12, metric=score(quantized).metric), *GUESSED[2:])
    assert front_finding(found).replace("\u00a0", " ") == said


def test_measured_points_are_filled_and_every_point_can_be_clicked():
    figure = front_figure(mixture(*FRONT), 1, dark=False)
    marks = [trace for trace in figure.data if "markers" in trace.mode]
    filled = [trace for trace in marks if not trace.marker.symbol.endswith("open")]
    assert [(trace.x[0], trace.y[0]) for trace in filled] == [(6, 0.12)]
    assert {trace.customdata[0][0] for trace in marks} == {0, 1, 2, 3}
    sizes = {trace.customdata[0][0]: trace.marker.size for trace in marks}
    assert sizes[1] > sizes[0]


def test_the_map_shows_each_layer_s_format_at_each_point():
    figure = map_figure(mixture(*FRONT), 1, dark=False)
    heat = figure.data[0]
    assert [list(row) for row in heat.text] == [["w4a8-pc", "w4a8-pc", "w16a16"], ["w4a8-pc", "w16a16", "w16a16"]]
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.5, 1.5)
    assert "&lt;b&gt;" in figure.layout.yaxis.ticktext[1]
    assert map_finding(mixture(*FRONT)) == "<b>last</b> keeps its precision longest"
    assert "&lt;b&gt;" in figure.layout.title.text


def test_an_empty_front_can_be_drawn():
    for figure in (front_figure(mixture(), None, dark=False), map_figure(mixture(), None, dark=False)):
        assert figure.layout.title.text


def test_a_prediction_that_was_set_right_stands_where_it_is_expected_with_its_interval():
    right = point(5, 1.0, expected=0.5, expected_ci95=(0.4, 0.7))
    figure = front_figure(mixture(right, *FRONT[1:], taught_by=4), None, dark=False)
    mark = next(trace for trace in figure.data if "markers" in trace.mode and trace.customdata[0][0] == 0)
    assert mark.y[0] == 0.5
    assert (mark.error_y.array[0], mark.error_y.arrayminus[0]) == (pytest.approx(0.2), pytest.approx(0.1))
    assert "set right by 4 measured mixtures: 0.500 (0.400 to 0.700)" in mark.hovertemplate
    swept = mixture(right, taught_by=4, taught_by_layers=1)
    assert teachers(swept) == "4 measured mixtures and 1 single layer of sweeps"
    others = [trace for trace in figure.data if "markers" in trace.mode and trace.customdata[0][0] > 0]
    assert all(trace.error_y.array is None for trace in others)


def test_the_line_is_what_is_known_best():
    right = point(5, 1.0, expected=0.5, expected_ci95=(0.4, 0.7))
    figure = front_figure(mixture(right, *FRONT[1:], taught_by=4), None, dark=False)
    assert list(figure.data[0].y) == [0.5, 0.12, 1e-4]
