"""What is called best is best: held against every choice there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdebug.errors import Cancelled, NumericError, UsageError
from qdebug.search.mix import Limits, Problem, cheapest, greedy, random_choices, solve, uniform_choices
from tests.search.mix.instances import everything, made, problems

HOW = ["additive", "quadratic"]
PLANES = Limits(rounds=30, patience=30, few=0)
"""Integer programs over planes alone, which need not come to an end."""
WAYS = [("additive", Limits()), ("quadratic", Limits()), ("quadratic", PLANES)]
SLACK = 1e-6
"""The default gap at which value and bound count as met."""


def near(value, best, floor=0.0):
    """Whether a value is the best one, but for the gap that counts as closed."""
    return best * (1 - 1e-12) - floor <= value <= best * (1 + 2 * SLACK) + floor


@pytest.mark.parametrize(("how", "limits"), WAYS)
@settings(max_examples=60)
@given(problem=problems(), place=st.floats(0, 1))
def test_the_least_damage_within_a_budget(how, limits, problem, place):
    choices = everything(problem)
    costs = sorted(map(problem.cost_of, choices))
    budget = costs[int(place * (len(costs) - 1))]
    best = min(problem.predict(one, how) for one in choices if problem.fits(one, budget))
    found = solve(problem, budget, how, limits)
    assert found.columns in choices and problem.fits(found.columns, budget)
    assert found.bound <= best * (1 + 1e-9)
    assert found.gap == 0 or limits is PLANES
    assert near(found.damage(how), best) or found.gap > 0, (found, best)


@pytest.mark.parametrize(("how", "limits"), WAYS)
@settings(max_examples=60)
@given(problem=problems(), place=st.floats(0, 1), above=st.sampled_from([1.0, 1.0001, 1.5]))
def test_the_least_cost_within_a_limit_of_damage(how, limits, problem, place, above):
    choices = everything(problem)
    damages = sorted(problem.predict(one, how) for one in choices)
    limit = damages[int(place * (len(damages) - 1))] * above
    best = min(problem.cost_of(one) for one in choices if problem.predict(one, how) <= limit)
    found = cheapest(problem, limit, how, limits)
    assert found.columns in choices and found.damage(how) <= limit
    assert found.bound <= best * (1 + 1e-9)
    assert found.gap == 0 or limits is PLANES
    assert near(found.cost, best) or found.gap > 0, (found, best)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_simpler_beats_it_on_a_network_of_thirty_layers(how, seed):
    problem = made(30, 5, 64, seed, base=0.1, ties=[(0, 1, 2), (9, 20)])
    for uniform in uniform_choices(problem)[1:4]:
        found = solve(problem, uniform.cost, how, Limits(rounds=2, nodes=50))
        rivals = [uniform, greedy(problem, uniform.cost, how).choice, greedy(problem, uniform.cost, "additive").choice]
        rivals += random_choices(problem, uniform.cost, 200, seed)
        assert found.damage(how) <= min(one.damage(how) for one in rivals)
        assert found.bound <= found.damage(how) and found.cost <= uniform.cost
        assert found.gap == pytest.approx(max(found.damage(how) - found.bound, 0) / found.damage(how), abs=1e-6)
        turned = cheapest(problem, found.damage(how), how, Limits(rounds=2, nodes=50))
        assert turned.damage(how) <= found.damage(how)
        assert turned.cost <= found.cost or turned.gap > 0
        assert all(one.cost >= turned.bound for one in rivals if one.damage(how) <= found.damage(how))


@pytest.mark.parametrize("seed", range(3))
def test_planes_alone_come_to_an_end_where_errors_do_not_cancel(seed):
    problem = made(7, 4, 64, seed)
    for times in (1.3, 2, 3):
        budget = times * problem.least_cost
        best = min(problem.predict(one, "quadratic") for one in everything(problem) if problem.fits(one, budget))
        found = solve(problem, budget, "quadratic", PLANES)
        assert found.gap == 0 and near(found.quadratic, best)


def test_additive_choices_of_a_hundred_layers_are_proven():
    problem = made(100, 6, 32, 0)
    found = solve(problem, 2.0 * problem.least_cost)
    assert found.gap == 0
    assert found.damage("additive") <= greedy(problem, 2.0 * problem.least_cost).choice.additive


@pytest.mark.parametrize("how", HOW)
def test_damages_of_eighteen_decades(how):
    """What is decided by small damages is decided right where large ones are about."""
    generator = np.random.default_rng(5)
    spread = 10.0 ** np.array([[3, -5.9], [2, -6], [-2, -6], [-5.5, -6], [-5.8, -5.9]])
    damage = spread[..., None] * generator.normal(size=(5, 2, 9))
    problem = Problem(damage, [[1, 4], [1, 4], [1, 4], [1, 3], [1, 3]])
    for budget in range(5, 19):
        best = min(problem.predict(one, how) for one in everything(problem) if problem.fits(one, budget))
        assert near(solve(problem, budget, how).damage(how), best)


def test_the_quadratic_prediction_finds_errors_that_cancel():
    error = np.array([1.0, -2.0, 0.5, 1.5])
    damage = np.stack([[error, 0 * error], [-error, 0.1 * error], [0.4 * error, 0 * error]])
    problem = Problem(damage, [[1, 2], [1, 2], [1, 2]])
    assert solve(problem, 4, "quadratic").columns == (0, 0, 1)
    assert solve(problem, 4, "quadratic").quadratic == 0
    assert solve(problem, 4, "additive").columns != (0, 0, 1)


@pytest.mark.parametrize("how", HOW)
def test_the_same_search_ends_in_the_same_choice(how):
    problem = made(25, 4, 40, 3)
    first, second = (solve(made(25, 4, 40, 3), 1.8 * problem.least_cost, how, Limits(seconds=1e6)) for _ in range(2))
    assert first == second


def test_a_budget_that_is_the_sum_of_what_it_allows_in_another_order():
    cost = np.array([[0.1, 0.3], [0.2, 0.7], [0.3, 0.9], [1e-3, 2.0]])
    damage = np.ones((4, 2, 1)) * [[2.0], [1.0]]
    problem = Problem(damage, cost)
    for columns in everything(problem):
        budget = float(sum(cost[k, p] for k, p in reversed(list(enumerate(columns)))))
        assert problem.cost_of(solve(problem, budget).columns) <= budget + 1e-12
        assert problem.fits(columns, budget)


def test_what_nothing_meets_is_refused_and_the_least_said():
    problem = made(4, 3, 8, 0, fixed_cost=500.0)
    with pytest.raises(UsageError, match=f"the least is {problem.least_cost:.6g}"):
        solve(problem, problem.least_cost * 0.999)
    least = solve(problem, np.inf, "quadratic")
    assert solve(problem, problem.least_cost).cost == pytest.approx(problem.least_cost)
    with pytest.raises(UsageError, match=f"the least found is {least.quadratic:.6g}"):
        cheapest(problem, least.quadratic * 0.999, "quadratic")
    assert cheapest(problem, least.quadratic, "quadratic").quadratic == least.quadratic
    for search in (solve, cheapest, greedy):
        with pytest.raises(NumericError, match="not a number"):
            search(problem, float("nan"))


def test_without_a_limit_the_cheapest_is_cheapest():
    problem = made(6, 3, 8, 1)
    assert cheapest(problem, np.inf).cost == pytest.approx(problem.least_cost)


def half_the_damage(problem, check):
    return cheapest(problem, problem.predict((0,) * 8, "quadratic") / 2, "quadratic", check=check)


def twice_the_cost(problem, check):
    return solve(problem, 2 * problem.least_cost, "quadratic", check=check)


@pytest.mark.parametrize("search", [half_the_damage, twice_the_cost])
def test_it_stops_when_asked(search):
    calls = 0

    def check():
        nonlocal calls
        calls += 1
        if calls == 40:
            raise Cancelled

    with pytest.raises(Cancelled):
        search(made(8, 4, 16, 2), check)
    assert calls == 40


def test_a_search_without_time_still_returns_what_fits():
    problem = made(20, 4, 16, 2)
    found = solve(problem, 1.5 * problem.least_cost, "quadratic", Limits(seconds=0.0))
    assert found.cost <= 1.5 * problem.least_cost and 0 < found.gap < 1
