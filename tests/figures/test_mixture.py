"""The front of a mixed-precision search, drawn: what is measured is filled, what is chosen stands out."""

import pytest

from qdebug.figures import front_figure, map_figure
from qdebug.figures.mixture import UNITS, front_finding, map_finding
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


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_both_figures_state_a_finding_and_name_their_axes(dark, unit):
    found = mixture(*FRONT, unit=unit)
    for figure in (front_figure(found, 1, dark=dark), map_figure(found, 1, dark=dark)):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text == UNITS[unit][0]


def test_the_finding_is_what_a_mixture_saves():
    finding = front_finding(mixture(*FRONT)).replace("\u00a0", " ")
    assert finding == "A mixture errs no more than w16a16 everywhere and costs 25 % less"
    assert "none of which is both" in front_finding(mixture(*FRONT[:2]))


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
