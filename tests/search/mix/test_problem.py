"""What a problem holds, what it predicts, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import NumericError, RecipeError, UsageError
from qdebug.search.mix import Problem, cheapest, solve
from qdebug.search.mix.walk import Walk
from tests.search.mix.instances import definition, everything, made, problems

HOW = ["additive", "quadratic"]
ONES = np.ones((3, 2, 4))


@pytest.mark.parametrize("how", HOW)
@given(problem=problems())
def test_predictions_are_as_defined(how, problem):
    for columns in everything(problem)[:20]:
        expected = definition(problem, columns, how)
        scale = definition(problem, columns, "additive")
        assert problem.predict(columns, how) == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale)
        cost = problem.fixed_cost + sum(problem.cost[k, p] for k, p in enumerate(columns))
        assert problem.cost_of(columns) == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize("how", HOW)
def test_changes_add_up_to_the_prediction(how):
    """What a walk says of one change and of two is the difference of predictions, also after it moved."""
    problem = made(6, 3, 10, 4, base=0.5, ties=[(1, 4)])
    walk = Walk(problem, np.zeros(5, int), how)
    generator = np.random.default_rng(0)
    for _ in range(5):
        now = problem.predict(walk.columns, how)
        damage, cost = walk.damage_changes(), walk.cost_changes()
        both = walk.pair_changes(np.arange(15))
        for row, plan in np.ndindex(5, 3):
            at = walk.at.copy()
            at[row] = plan
            one = problem.groups.columns(at)
            assert damage[row, plan] == pytest.approx(problem.predict(one, how) - now, abs=1e-12 * now)
            assert cost[row, plan] == pytest.approx(problem.cost_of(one) - problem.cost_of(walk.columns))
            other = (row + 2) % 5
            at[other] = 2
            two = problem.predict(problem.groups.columns(at), how) - now
            added = damage[row, plan] + damage[other, 2] + both[3 * row + plan, 3 * other + 2]
            assert added == pytest.approx(two, abs=1e-12 * now)
        walk.move(int(generator.integers(5)), int(generator.integers(3)))


def test_arrays_are_kept_from_change_and_leave_their_owner_free():
    damage, cost = np.ones((2, 2, 3), np.float32), np.ones((2, 2))
    problem = Problem(damage, cost)
    with pytest.raises(ValueError, match="read-only"):
        problem.damage[0, 0, 0] = 2
    cost[0, 0] = 5
    assert damage.flags.writeable


@pytest.mark.parametrize(
    ("arrays", "error", "says"),
    [
        ({"damage": np.ones((3, 4)), "cost": np.ones((3, 4))}, UsageError, "three dimensions"),
        ({"damage": np.ones((0, 2, 4)), "cost": np.ones((0, 2))}, UsageError, "none empty"),
        ({"cost": np.ones((3, 3))}, UsageError, r"shape \[3, 2\]"),
        ({"allowed": np.ones((2, 2), bool)}, UsageError, "allowed must have one entry for each layer and plan"),
        ({"base": np.ones(3)}, UsageError, "base must have one entry for each sample"),
        ({"names": ["a"]}, UsageError, "1 names for 3 layers"),
        ({"ties": [(0, 3)]}, UsageError, "names layer 3. Layers are counted from 0 to 2"),
        ({"cost": [[1, 2], [1, np.nan], [1, 2]]}, NumericError, "costs nan .layer b, plan 1"),
        ({"base": [0, 0, np.inf, 0]}, NumericError, "base error"),
        ({"fixed_cost": np.nan}, NumericError, "fixed cost"),
        ({"allowed": [[1, 1], [0, 0], [1, 1]]}, RecipeError, "No plan is allowed for a layer .layer b."),
        ({"allowed": [[1, 0], [1, 1], [0, 1]], "ties": [(0, 2)]}, RecipeError, "none that all .* .layers a, c."),
    ],
)
def test_what_makes_no_sense_is_said_at_once(arrays, error, says):
    with pytest.raises(error, match=says):
        Problem(**({"damage": ONES, "cost": ONES[:, :, 0], "names": ["a", "b", "c"]} | arrays))


def test_a_cost_that_nobody_may_pay_need_not_be_known():
    problem = Problem(ONES, [[1, np.nan], [1, 2], [1, 2]], [[1, 0], [1, 1], [1, 1]])
    assert solve(problem, np.inf).columns[0] == 0


@given(problem=problems(), seed=st.integers(0, 99))
def test_tied_layers_take_the_same_plan_and_all_take_what_is_allowed(problem, seed):
    choices = everything(problem)
    budget = problem.cost_of(choices[seed % len(choices)])
    for found in (solve(problem, budget), cheapest(problem, problem.predict(choices[seed % len(choices)], "additive"))):
        assert all(problem.allowed[k, p] for k, p in enumerate(found.columns))
        for tie in problem.ties:
            assert len({found.columns[k] for k in tie}) == 1


def test_ties_that_share_a_layer_are_one():
    problem = Problem(np.ones((5, 2, 1)), np.ones((5, 2)), ties=[(0, 1), (3, 4), (4, 1), (2,)])
    assert problem.ties == ((0, 1, 3, 4),)
    assert problem.groups.members == ((0, 1, 3, 4), (2,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("how", HOW)
def test_a_plan_that_cannot_be_predicted_is_not_taken(bad, how):
    damage = np.ones((3, 3, 4)) * [[[4.0], [2.0], [1.0]]]
    damage[1, 0, 2] = bad
    problem = Problem(damage, np.ones((3, 1)) * [1, 2, 4])
    assert problem.least_cost == 4
    assert solve(problem, 4, how).columns == (0, 1, 0)
    assert problem.predict((0, 0, 0), how) == np.inf
    assert problem.unpredicted == ()
    with pytest.raises(UsageError, match="the least is 4"):
        solve(problem, 3, how)


@pytest.mark.parametrize("how", HOW)
def test_a_layer_of_which_nothing_is_known_is_held_at_its_dearest_plan_and_named(how):
    damage = np.ones((3, 3, 4)) * [[[4.0], [2.0], [1.0]]]
    damage[1] = np.nan
    cost = np.ones((3, 1)) * [1, 2, 4]
    problem = Problem(damage, cost, [[1, 1, 1], [1, 1, 0], [1, 1, 1]])
    assert problem.unpredicted == (1,)
    found = solve(problem, 4, how)
    assert found.columns == (0, 1, 0)
    assert found.damage(how) == {"additive": 32, "quadratic": 64}[how]
    with pytest.raises(UsageError, match="nothing is known of are held at their dearest plan: layer 1"):
        solve(problem, 3, how)


@pytest.mark.parametrize("how", HOW)
def test_of_tied_layers_only_the_unknown_one_is_left_out(how):
    damage = np.stack([np.full((2, 4), 3.0), np.full((2, 4), np.nan)])
    problem = Problem(damage, [[1, 2], [1, 2]], ties=[(0, 1)])
    assert problem.unpredicted == (1,)
    assert solve(problem, np.inf, how).columns == (1, 1)
    assert problem.predict((1, 1), how) == 9
