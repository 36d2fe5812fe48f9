"""The front falls, nothing on it is beaten, and nothing simpler lies below it."""

import itertools

import pytest

from qdebug.errors import UsageError
from qdebug.search.mix import Limits, describe, front, greedy, random_choices, undominated, uniform_choices
from tests.search.mix.instances import everything, made

HOW = ["additive", "quadratic"]


@pytest.mark.parametrize("how", HOW)
def test_a_front_of_a_network(how):
    problem = made(15, 4, 24, 1, base=0.05, ties=[(2, 3)])
    found = front(problem, how, points=8, refine=3)
    for one, other in itertools.pairwise(found):
        assert one.cost < other.cost and one.damage(how) > other.damage(how)
    assert found[0].cost == pytest.approx(problem.least_cost)
    rivals = [*uniform_choices(problem), *random_choices(problem, 2 * problem.least_cost, 100, 0)]
    for rival in rivals:
        affordable = [one for one in found if one.cost <= rival.cost * (1 + 1e-12)]
        assert affordable  # the first is the cheapest there is
        if any(one.cost == rival.cost for one in found):
            assert affordable[-1].damage(how) <= rival.damage(how)
    for one in found:
        assert one.damage(how) <= greedy(problem, one.cost, how).choice.damage(how)
        assert describe(problem, one.columns).quadratic == one.quadratic


@pytest.mark.parametrize("how", HOW)
def test_every_point_is_on_the_front_of_all_choices(how):
    problem = made(5, 3, 12, 2)
    all_of_them = undominated([describe(problem, one) for one in everything(problem)], how)
    true = {(one.cost, one.damage(how)) for one in all_of_them}
    found = front(problem, how, points=30)
    assert {(one.cost, one.damage(how)) for one in found} <= true
    assert len(found) > len(true) / 2
    assert all(one.gap == 0 for one in found)


def test_refining_adds_points_between_and_takes_none_away():
    problem = made(15, 4, 24, 3)
    coarse, fine = (front(problem, points=5, refine=refine) for refine in (0, 6))
    assert len(coarse) < len(fine)
    assert {one.columns for one in coarse} <= {one.columns for one in fine}


def test_the_same_front_every_time():
    assert front(made(10, 4, 16, 0), "quadratic", points=4) == front(made(10, 4, 16, 0), "quadratic", points=4)


def test_layers_whose_plans_all_cost_the_same_make_one_point():
    problem = made(4, 1, 8, 0)
    assert [one.columns for one in front(problem)] == [(0, 0, 0, 0)]


def test_a_front_has_two_ends():
    with pytest.raises(UsageError, match="at least 2"):
        front(made(3, 2, 4, 0), points=1, limits=Limits())


def test_of_equals_one_is_kept():
    problem = made(3, 3, 4, 0)
    one, two, three = (describe(problem, (p, p, p)) for p in range(3))
    assert undominated([three, one, two, one], "additive") == (one, two, three)
