"""The neighbours of a choice: all within the budget that change one or two rows, the best predicted first."""

from __future__ import annotations

import pytest

from qdebug.search.mix.near import near
from tests.search.mix.instances import everything, made


@pytest.mark.parametrize("how", ["additive", "quadratic"])
@pytest.mark.parametrize("seed", range(5))
def test_they_are_those_that_looking_at_all_finds(how, seed):
    problem = made(4, 3, 6, seed, ties=[(1, 3)])
    choices = everything(problem)
    columns = choices[seed]
    budget = (problem.least_cost + max(map(problem.cost_of, choices))) / 2

    def changes(one):
        return len({problem.groups.row_of[k] for k in range(4) if one[k] != columns[k]})

    expected = [one for one in choices if problem.fits(one, budget) and 1 <= changes(one) <= 2]
    found = near(problem, columns, budget, lambda one: problem.predict(one, how))
    assert set(found) == set(expected)
    assert len(found) == len(expected)
    predicted = [problem.predict(one, how) for one in found]
    assert predicted == sorted(predicted)
