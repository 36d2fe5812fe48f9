"""A search chooses what was measured to be best within the budget, and says what it rests on."""

from __future__ import annotations

import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.errors import RecipeError, UsageError
from qdebug.recipes import LayerPlan, Recipe, from_plain
from qdebug.search.mix import random_choices
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.confirm import fits, loss
from qdebug.search.mixed.learn import FEWEST
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.wish import formats_of
from qdebug.search.question import Question
from qdebug.search.sensitivity import sensitivity
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How
from qdebug.targets import find_device, find_platform
from tests.networks import Attention, Residual, data_for, seeded

FORMATS = formats_of(["w16a16", "w8a8-pc", "w4a8-pc"])
BUDGET = 11.0


@pytest.fixture(scope="module", params=[Residual, Attention])
def session(request):
    return qdebug.open(seeded(request.param), data_for(request.param, 32))


def measured(session, recipe):
    return float(session.errors(recipe, session.subject.eval_batches).mean())


def test_the_choice_is_the_best_that_was_measured_within_the_budget(session):
    found = search(session, Wish(FORMATS, budget=BUDGET))
    chosen = found.front[found.chosen]
    assert chosen.cost <= BUDGET
    assert chosen.cost == pytest.approx(chosen.bits_per_weight)
    known = [point for point in found.front if point.confirmed is not None and point.cost <= BUDGET]
    assert chosen.confirmed == min(point.confirmed for point in known)
    assert len(known) > 1


def test_every_point_is_what_its_recipe_is(session):
    found = search(session, Wish(FORMATS, budget=BUDGET))
    for point in found.front:
        score = session.score(from_plain(point.recipe))
        assert score.size.bits_per_weight == pytest.approx(point.bits_per_weight)
        assert score.size.quantized_bytes == point.bytes
        assert sum(point.formats) == len(session.info().layers)
        if point.confirmed is not None:
            assert point.confirmed == pytest.approx(measured(session, from_plain(point.recipe)))
            assert point.metric == score.metric


def test_it_beats_random_mixtures_of_the_same_size(session):
    wish = Wish(FORMATS, budget=BUDGET)
    found = search(session, wish)
    task = problem(session, wish, projected(session, wish, Work()))
    others = random_choices(task, BUDGET, 30, seed=3)
    best = min(measured(session, recipe_of(session, wish, one.columns)) for one in others)
    assert found.front[found.chosen].confirmed <= best * 1.1


def test_the_front_costs_more_where_it_errs_less(session):
    found = search(session, Wish(FORMATS))
    searched = [point for point in found.front if point.origin == "search"]
    assert [point.cost for point in searched] == sorted(point.cost for point in searched)
    assert [point.predicted for point in searched] == sorted((point.predicted for point in searched), reverse=True)
    assert found.chosen is None
    assert "Set a budget" in found.words


def test_a_largest_drop_gives_the_cheapest_that_keeps_the_metric(session):
    found = search(session, Wish(FORMATS, max_drop=0.05))
    chosen = found.front[found.chosen]
    assert loss(chosen) <= 0.05
    for point in found.front:
        if point.cost < chosen.cost and point.confirmed is not None:
            assert loss(point) > 0.05


def test_what_cannot_be_kept_is_said():
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    found = search(session, Wish(formats_of(["w2a2", "w2a3"]), max_drop=-0.9))
    assert found.chosen is None
    assert "allow a larger drop" in found.words


def test_pins_floors_and_ties_hold(session):
    names = [layer.name for layer in session.info().layers]
    pinned, floored = names[-1], names[1]
    wish = Wish(
        FORMATS,
        budget=14.0,
        pins=((pinned, "w16a16"),),
        floors=((floored, 8.0),),
        ties=(f"[{names[2][0]}{names[3][0]}]*",),
    )
    found = search(session, wish)
    tied = [name for name in names if name[0] in (names[2][0], names[3][0])]
    kinds = {layer.name: layer.kind for layer in session.info().layers}
    for point in found.front:
        recipe = from_plain(point.recipe)
        plan = {name: recipe.plan_for(name, kinds[name]) for name in names}
        assert plan[pinned].weight.format == "fp16"
        assert plan[floored].weight.format in ("fp16", "int8")
        assert len({plan[name].weight for name in tied}) == 1


def test_layers_that_read_one_activation_can_be_tied():
    session = qdebug.open(seeded(Attention), data_for(Attention, 16))
    found = search(session, Wish(FORMATS, budget=BUDGET, ties=("inputs",)))
    for point in found.front:
        recipe = from_plain(point.recipe)
        assert len({recipe.plan_for(name) for name in "qkv"}) == 1


def test_a_platform_is_obeyed():
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    platform = find_platform("tensorrt")
    found = search(session, Wish(formats_of(["w32a32", "w8a8-pc", "int8-pc/int8-sym"]), budget=20.0, platform=platform))
    for point in found.front:
        recipe = from_plain(point.recipe)
        assert not any(
            platform.refuses(layer, recipe.plan_for(layer.name, layer.kind)) for layer in session.info().layers
        )


@pytest.mark.parametrize(
    ("unit", "more"),
    [("bytes", {}), ("bops", {}), ("joules", {}), ("seconds", {"device": find_device("raspberry-pi-5")})],
)
def test_budgets_in_every_unit(session, unit, more):
    whole = search(session, Wish(FORMATS, unit=unit, **more), confirm=1)
    budget = (whole.front[0].cost + whole.front[-1].cost) / 2
    wish = Wish(FORMATS, unit=unit, budget=budget, **more)
    found = search(session, wish)
    assert fits(found.front[found.chosen], wish)
    if unit == "bytes":
        assert found.front[found.chosen].bytes <= budget + 1


def test_the_greedy_way_can_be_followed(session):
    found = search(session, Wish(FORMATS, budget=BUDGET))
    assert found.steps
    assert found.steps[-1].cost <= BUDGET
    assert all(step.before != step.after for step in found.steps)


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        (lambda: Wish(FORMATS, budget=0.5), UsageError, "budget"),
        (lambda: Wish(FORMATS[:1]), UsageError, "two formats"),
        (lambda: Wish(FORMATS, pins=(("*", "w5a5"),)), UsageError, "not among"),
        (lambda: Wish(FORMATS, unit="seconds"), UsageError, "device"),
        (lambda: Wish(FORMATS, floors=(("*", 64.0),)), RecipeError, "leave no format"),
        (lambda: Wish(FORMATS, ties=("nothing*",)), RecipeError, "No layer matches"),
        (lambda: Wish(formats_of(["w3a3", "w5a5"]), platform=find_platform("tensorrt")), RecipeError, "can be had"),
    ],
)
def test_what_cannot_be_had_is_one_clear_error(wish, error, said):
    session = qdebug.open(seeded(Residual), data_for(Residual, 8))
    with pytest.raises(error, match=said):
        search(session, wish())


def test_it_shows_predictions_first_and_then_what_is_measured(session):
    seen = []
    found = search(session, Wish(FORMATS, budget=BUDGET), show=seen.append)
    counts = [sum(point.confirmed is not None for point in one.front) for one in seen]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert seen[-1].chosen == found.chosen
    assert np.isfinite([point.predicted for point in seen[0].front]).all()


def test_recipes_name_only_what_differs(session):
    wish = Wish(FORMATS)
    columns = [1] * len(session.info().layers)
    recipe = recipe_of(session, wish, columns)
    assert recipe.default == LayerPlan(*[getattr(FORMATS[1][1], name) for name in ("weight", "activation")])
    assert {name for name, _ in recipe.layers} == {one.name for one in session.info().layers if one.kind == "embedding"}


def test_points_that_were_not_measured_are_set_right_by_those_that_were(session):
    found = search(session, Wish(FORMATS))
    known = [point for point in found.front if point.confirmed is not None]
    others = [point for point in found.front if point.confirmed is None]
    assert FEWEST <= found.taught_by <= len(known)
    assert found.missed is not None
    assert others
    for point in others:
        low, high = point.expected_ci95
        assert low <= point.expected <= high
    assert all(point.expected is None for point in known)
    held = [
        point.expected_ci95[0] <= measured(session, from_plain(point.recipe)) <= point.expected_ci95[1]
        for point in others
    ]
    assert np.mean(held) >= 0.8


def test_what_a_sweep_has_measured_sets_them_right_too(session, tmp_path):
    journal = Journal(tmp_path)
    assert search(session, Wish(FORMATS), journal=journal).taught_by_layers == 0
    sensitivity(session, Question(FORMATS, Recipe()), "exact", how=How(journal=journal))
    found = search(session, Wish(FORMATS), journal=journal)
    assert found.taught_by_layers == len(FORMATS) * len(session.info().layers)
    off = [
        abs(point.expected / measured(session, from_plain(point.recipe)) - 1)
        for point in found.front
        if point.expected is not None
    ]
    assert np.median(off) < 0.1


def test_nothing_is_set_right_before_anything_is_measured(session):
    seen = []
    found = search(session, Wish(FORMATS), confirm=0, show=seen.append)
    assert found.taught_by == 0
    assert found.missed is None
    search(session, Wish(FORMATS), confirm=2, show=seen.append)
    assert seen[0].taught_by == 0
    assert all(point.expected is None for point in seen[0].front)
    assert seen[-1].taught_by > 0
