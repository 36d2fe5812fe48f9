"""The choice whose worst part of the samples is predicted to be best: equal to looking at every choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import UsageError
from qdebug.search.mix import Problem, front_worst, parts_of, solve, solve_worst
from tests.search.mix.instances import everything, problems


@given(problems(), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_it_equals_brute_force(problem, place, seed):
    samples = problem.damage.shape[2]
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(generator.random(samples) < 0.6) for _ in range(3)]
    parts = parts_of(problem, [one for one in members if len(one)] or [np.arange(samples)])
    choices = everything(problem)
    dearest = max(problem.cost_of(one) for one in choices)
    budget = problem.least_cost + place * (dearest - problem.least_cost)
    found = solve_worst(parts, budget)
    assert problem.fits(found.columns, budget)
    assert found.columns in choices
    best = min(parts.worst(one) for one in choices if problem.fits(one, budget))
    assert parts.worst(found.columns) == pytest.approx(best, rel=1e-5, abs=1e-12)
    assert found.bound <= best * (1 + 1e-5) + 1e-12


def two_groups() -> Problem:
    """Two layers, wide or narrow. Layer a hurts three samples a little, layer b one sample a lot."""
    a = [[0, 0, 0, 0], [2, 2, 2, 0]]
    b = [[0, 0, 0, 0], [0, 0, 0, 3]]
    return Problem(np.array([a, b], np.float32), np.array([[2.0, 1.0], [2.0, 1.0]]))


def test_a_part_is_the_mean_over_its_samples_alone():
    parts = parts_of(two_groups(), [np.array([0, 1, 2]), np.array([3]), np.arange(4)])
    assert parts.each((1, 1)).tolist() == [4.0, 9.0, 3.0 + 2.25]
    assert parts.worst((1, 1)) == 9.0
    assert parts.worst((1, 0)) == 4.0


def test_the_mean_gives_up_the_few_where_the_worst_part_does_not():
    problem = two_groups()
    assert solve(problem, 3.0).columns == (0, 1)  # mean error 9 / 4 against 12 / 4
    found = solve_worst(parts_of(problem, [np.array([0, 1, 2]), np.array([3])]), 3.0)
    assert found.columns == (1, 0)  # 4 on the many, where the other has 9 on the one
    assert (found.bound, found.gap) == (pytest.approx(4.0), 0.0)


def test_what_is_quantized_anyway_counts_in_every_part():
    plain = two_groups()
    problem = Problem(plain.damage, plain.cost, base=np.array([0, 0, 0, 5.0]))
    assert parts_of(problem, [np.array([0]), np.array([3])]).each((0, 0)).tolist() == [0.0, 25.0]


def test_a_front_by_the_worst_part_falls():
    problem = two_groups()
    parts = parts_of(problem, [np.array([0, 1, 2]), np.array([3])])
    found = front_worst(parts, points=4)
    assert [one.cost for one in found] == [2.0, 3.0, 4.0]
    assert [parts.worst(one.columns) for one in found] == [9.0, 4.0, 0.0]


def test_a_budget_below_everything_is_one_clear_error():
    with pytest.raises(UsageError, match="budget"):
        solve_worst(parts_of(two_groups(), [np.arange(4)]), 1.0)
