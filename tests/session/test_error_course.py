"""How the error grows along the depth: each layer's output alone and in place, held against plain execution."""

import math

import pytest

from qdebug.figures.along import along_depth, course_finding
from qdebug.recipes import LayerPlan, parse_plan, preset, set_layers
from qdebug.results import CourseRow, ErrorCourse
from qdebug.session import open as open_model
from tests.networks import Residual, data_for, seeded


def sqnr(reference, value):
    signal, noise = reference.double().square().sum(), (reference - value).double().square().sum()
    return 10 * math.log10(float(signal / noise))


@pytest.mark.parametrize("name", ["w8a8", "w4a8-pc"])
def test_every_layers_output_is_compared_with_all_before_it_quantized(name):
    session = open_model(seeded(Residual), data_for(Residual))
    found, recipe = session.error_course(name), preset(name)
    layers = session.subject.layers
    assert [row.name for row in found.rows] == [layer.name for layer in layers]
    for layer, row in zip(layers, found.rows, strict=True):
        reference = session.value("w32a32", layer.step, found.n)
        assert row.all_db == pytest.approx(sqnr(reference, session.value(recipe, layer.step, found.n)), abs=1e-3)
        alone = set_layers(preset("w32a32"), {layer.name: recipe.default})
        assert row.alone_db == pytest.approx(sqnr(reference, session.value(alone, layer.step, found.n)), abs=1e-3)


def test_before_the_first_quantized_layer_there_is_no_error():
    session = open_model(seeded(Residual), data_for(Residual))
    names = [layer.name for layer in session.subject.layers]
    recipe = set_layers(preset("w32a32"), {names[2]: parse_plan("w4a8")})
    rows = session.error_course(recipe).rows
    assert [row.all_db is None for row in rows[:3]] == [True, True, False]
    assert session.error_course(set_layers(recipe, {names[2]: LayerPlan()})).rows[2].all_db is None


def course(*levels):
    rows = tuple(CourseRow(name=f"layer.{at}", alone_db=40.0, all_db=level) for at, level in enumerate(levels))
    return ErrorCourse(recipe="", rows=rows, n=8)


def test_the_layer_at_which_the_error_bursts_is_named():
    found = course(40.0, 36.0, 12.0, 10.0)
    assert found.burst == (found.rows[2], 24.0)
    said = course_finding(found).replace("\u00a0", " ")
    assert said == "The error bursts at layer.2, by 24.0 dB; 10.0 dB are left at the end"
    figure = along_depth(found, {}, "layer.1", dark=True)
    assert list(figure.data[1].y) == [40.0, 36.0, 12.0, 10.0]
    assert "24.0" in figure.layout.annotations[0].text


def test_an_error_that_grows_slowly_bursts_nowhere():
    for found in (course(40.0, 36.0, 33.0), course(None, None), course(None, 20.0, 18.0), course(30.0)):
        assert found.burst is None
        assert "little by little" in course_finding(found)
        assert not along_depth(found, {}, "", dark=False).layout.annotations
