"""What is ruled out is no loss: planes lie below every choice, and plans that go are in none that is best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.search.mix import Limits, greedy, solve
from qdebug.search.mix.form import quadratic_form, spread
from qdebug.search.mix.relax import fractions, lagrange
from tests.search.mix.instances import everything, made, problems


def corners(problem):
    """Every choice as fractions ``[G·P]``, and its plans by layer."""
    for columns in everything(problem):
        x = np.zeros(problem.groups.open.shape)
        for row, tied in enumerate(problem.groups.members):
            x[row, columns[tied[0]]] = 1
        yield x.ravel(), columns


@given(problem=problems(), seed=st.integers(0, 99))
def test_a_form_is_convex_equals_the_prediction_and_lies_above_its_planes(problem, seed):
    generator = np.random.default_rng(seed)
    groups = problem.groups
    at = np.where(groups.open, generator.random(groups.open.shape), -1).argmax(1)
    for weights in (None, generator.random(len(at)) + 0.1):
        form = quadratic_form(problem, groups.open, at, weights)
        largest = np.abs(form.curved).max() + np.abs(form.linear).max() + form.constant
        assert np.linalg.eigvalsh(form.curved)[0] >= -1e-9 * largest
        points = fractions(form, groups.cost, groups.open, lambda x: groups.cost.ravel() @ x < 1, lambda: None)
        for point in points:
            assert point.reshape(groups.open.shape).sum(1) == pytest.approx(np.ones(len(at)))
            assert not point[~groups.open.ravel()].any()
            assert (spread(problem, point) >= 0).all()
        planes = [form.cut(point) for point in points]
        for x, columns in corners(problem):
            value = problem.predict(columns, "quadratic")
            assert form.value(x) == pytest.approx(value, abs=1e-9 * largest)
            assert all(plane.offset + plane.slope.ravel() @ x <= value + 1e-9 * largest for plane in planes)


@given(problem=problems(), place=st.floats(0, 1))
def test_a_price_bounds_from_below_and_keeps_what_is_best(problem, place):
    costs = sorted(problem.cost_of(one) for one in everything(problem))
    budget = costs[int(place * (len(costs) - 1))]
    groups, room = problem.groups, budget + problem.round_off - problem.fixed_cost
    within = [(groups.additive.ravel() @ x, x) for x, one in corners(problem) if problem.fits(one, budget)]
    best = min(value for value, _ in within)
    bound, kept = lagrange(groups.additive, groups.cost, room, groups.open, best)
    assert bound <= best + 1e-9 * groups.additive.max(1).sum()
    for value, x in within:
        if value <= best:
            assert kept.ravel()[x > 0].all()


def test_what_no_choice_can_meet_keeps_nothing():
    goal, row = np.ones((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])
    bound, kept = lagrange(goal, row, 3.9, np.ones((2, 2), bool), 5.0)
    assert bound == np.inf and not kept.any()


def test_shares_of_their_own_close_more_of_the_gap():
    """Forty layers and errors that are correlated: a bound without a single integer program."""
    problem = made(40, 6, 512, 0)
    found = solve(problem, 2 * problem.least_cost, "quadratic", Limits(rounds=0))
    assert found.gap < 0.05
    assert found.bound <= found.quadratic <= greedy(problem, 2 * problem.least_cost, "quadratic").choice.quadratic
