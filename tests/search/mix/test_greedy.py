"""A greedy search says what it does, and does what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.search.mix import Problem, greedy, random_choices, uniform_choices
from tests.search.mix.instances import everything, made, problems

HOW = ["additive", "quadratic"]


def replayed(problem, went):
    """The choice that the steps make of the start, each held against what it says of itself."""
    columns = list(went.start.columns)
    for step in (*went.savings, *went.repairs):
        assert {columns[k] for k in step.layers} == {step.before} and step.before != step.after
        assert step.cost_before == problem.cost_of(columns)
        for k in step.layers:
            columns[k] = step.after
        assert step.cost_after == problem.cost_of(columns)
    return tuple(columns)


@pytest.mark.parametrize("how", HOW)
@given(problem=problems(), place=st.floats(0, 1))
def test_the_steps_lead_from_the_least_damage_into_the_budget(how, problem, place):
    costs = sorted(map(problem.cost_of, everything(problem)))
    budget = costs[int(place * (len(costs) - 1))]
    went = greedy(problem, budget, how)
    assert replayed(problem, went) == went.choice.columns
    assert problem.fits(went.choice.columns, budget)
    assert went.start.additive <= min(problem.predict(one, "additive") for one in everything(problem)) * (1 + 1e-9)
    assert all(step.cost_after < step.cost_before for step in went.savings)
    assert all(step.cost_before > budget for step in went.savings)
    assert all(step.damage_after < step.damage_before for step in went.repairs)
    for step, after in zip(went.savings, went.savings[1:], strict=False):
        assert step.damage_after == after.damage_before


def test_each_saving_costs_least_damage_for_what_it_saves():
    damage = np.sqrt([[[9.0], [1.0]], [[4.0], [0.0]], [[8.0], [0.0]]])
    problem = Problem(damage, [[1, 3], [1, 2], [1, 9]], names=["a", "b", "c"])
    went = greedy(problem, 5, "additive")
    # What each would save, in damage per cost: a 8/2, b 4/1, c 8/8; then a before b, as the first of equals.
    assert [(step.layers, step.after) for step in went.savings] == [((2,), 0), ((0,), 0)]
    assert went.choice.cost == 4 and not went.repairs


def test_what_the_last_saving_saved_too_much_is_spent():
    damage = np.sqrt([[[3.0], [0.0]], [[40.0], [0.0]]])
    problem = Problem(damage, [[1, 3], [0, 10]])
    went = greedy(problem, 11, "additive")
    assert [step.layers for step in went.savings] == [(0,)] and not went.repairs
    went = greedy(problem, 10, "additive")
    assert [step.layers for step in went.savings] == [(0,), (1,)]
    assert [(step.layers, step.before, step.after) for step in went.repairs] == [((0,), 0, 1)]
    assert went.choice.additive == pytest.approx(40)


def test_a_plan_everywhere_or_what_stands_in_for_it():
    damage = np.ones((3, 3, 2))
    damage[1, 1] = np.nan
    allowed = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 1]], bool)
    problem = Problem(damage, np.ones((3, 1)) * [4, 8, 16], allowed)
    assert [one.columns for one in uniform_choices(problem)] == [(0, 0, 2), (1, 2, 2), (2, 2, 2)]
    pinned = Problem(damage, np.ones((3, 1)) * [4, 8, 16], [[1, 0, 0], [1, 0, 1], [1, 1, 1]])
    assert uniform_choices(pinned)[2].columns == (0, 2, 2)


@given(problem=problems(), place=st.floats(0, 1), seed=st.integers(0, 9))
def test_random_choices_are_allowed_and_fit(problem, place, seed):
    choices = everything(problem)
    costs = sorted(map(problem.cost_of, choices))
    budget = costs[int(place * (len(costs) - 1))]
    drawn = random_choices(problem, budget, 5, seed)
    assert drawn == random_choices(problem, budget, 5, seed)
    assert all(one.columns in choices and problem.fits(one.columns, budget) for one in drawn)


def test_random_choices_differ_and_spend_their_budget():
    problem = made(30, 5, 8, 0)
    budget = 2 * problem.least_cost
    drawn = random_choices(problem, budget, 20, 1)
    assert len({one.columns for one in drawn}) == 20
    assert min(one.cost for one in drawn) > 0.97 * budget
    assert drawn != random_choices(problem, budget, 20, 2)
