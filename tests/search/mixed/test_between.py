"""Candidates that quantize what is between layers too: predicted with it, measured with it, written with it."""

from __future__ import annotations

import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.errors import RecipeError
from qdebug.recipes import Recipe, from_plain, parse_activation_format, preset
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.wish import formats_of, whole_formats
from qdebug.targets import find_platform
from tests.networks import Residual, data_for, seeded

NAMES = ["w32a32", "w8a8-pc-all", "w4a8-pc-all"]


@pytest.fixture(scope="module")
def session():
    return qdebug.open(seeded(Residual), data_for(Residual, 64))


def wish(**more) -> Wish:
    formats, recipe = whole_formats(NAMES, Recipe())
    return Wish(formats, recipe, **more)


def test_the_ending_is_that_of_presets():
    formats, recipe = whole_formats(NAMES, Recipe())
    whole = preset("w8a8-pc-all")
    assert formats == formats_of(["w32a32", "w8a8-pc", "w4a8-pc"])
    assert (recipe.between, recipe.bias) == (whole.between, whole.bias) == (parse_activation_format("int8"), "int32")
    assert whole_formats(["w8a8", "w4a8"], Recipe())[1] == Recipe()


@pytest.mark.parametrize("names", [["w8a8-all", "w4a4-all"], ["w16a16-all", "w8a8"]])
def test_one_plan_of_integers_lies_between_layers(names):
    with pytest.raises(RecipeError):
        whole_formats(names, Recipe())


def test_every_candidate_has_it(session):
    found = search(session, wish(budget=12.0), confirm=2)
    assert found.between == "int8"
    for point in found.front:
        recipe = from_plain(point.recipe)
        assert (recipe.between.format, recipe.bias) == ("int8", "int32")
        if point.confirmed is not None:
            errors = session.errors(recipe, session.subject.eval_batches)
            assert point.confirmed == pytest.approx(errors.mean())


def test_what_is_between_is_predicted_with_the_layers(session):
    """Of 8 bits everywhere but in weights, whose error the same prediction without would not know."""
    asked = wish()
    task = problem(session, asked, projected(session, asked, Work()))
    for columns in ([0] * len(task.names), [1] * len(task.names), [2] * len(task.names)):
        recipe = recipe_of(session, asked, columns)
        exact = session.errors(recipe, session.subject.eval_batches).mean()
        assert task.predict(columns, "quadratic") == pytest.approx(exact, rel=0.35)
    floats = [0] * len(task.names)
    assert task.predict(floats, "quadratic") == pytest.approx(np.square(task.base).mean())
    assert task.predict(floats, "quadratic") > 0


def test_an_input_that_is_in_codes_already_is_not_counted_twice(session):
    """A layer that reads a value between layers in its own plan rounds nothing more."""
    asked = wish()
    found = projected(session, asked, Work())
    damage = problem(session, asked, found).damage
    plan = asked.formats[1][1]
    layers = list(found.layers)
    own = [np.abs(damage[k, 1] - found.of(name, plan.weight, parse_activation_format("fp32")).reshape(-1)).max()
           for k, name in enumerate(layers)]  # fmt: skip
    assert own[0] > 0  # reads the model's input, which is no value between layers
    assert own[1:] == [0.0] * (len(layers) - 1)


def test_a_platform_that_holds_floats_between_layers_refuses():
    session = qdebug.open(seeded(Residual), data_for(Residual, 8))
    with pytest.raises(RecipeError, match="between layers"):
        search(session, wish(platform=find_platform("llama-cpp")))
