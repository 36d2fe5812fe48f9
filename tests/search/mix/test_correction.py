"""What measured choices teach: predictions of others get better, and their intervals hold what is true."""

import numpy as np
import pytest

from qdebug.search.mix import Problem, corrected, evidence, random_choices, with_changes
from tests.search.mix.instances import made

SAMPLES = 200


def factors(problem, seed, spread):
    """A problem whose errors are others than are predicted: each layer's in each plan by a factor of its own."""
    off = np.exp(spread / 2 * np.random.default_rng(seed).normal(size=problem.damage.shape[:2]))
    return Problem(problem.damage * off[..., None].astype(np.float32), problem.cost, base=problem.base)


def choices(problem, count, seed):
    return [one.columns for one in random_choices(problem, np.inf, count, seed=seed)]


def known_of(problem):
    return evidence(problem, problem.damage.shape[2])


def test_where_there_are_samples_enough_it_is_the_quadratic_prediction():
    problem = made(4, 3, 20000, 0, correlation=0.8, base=0.1)
    known = known_of(problem)
    for columns in choices(problem, 5, 1):
        at = known.places(columns)
        assert known.products[np.ix_(at, at)].sum() == pytest.approx(problem.predict(columns, "quadratic"), rel=0.01)


def test_products_that_are_chance_are_left_out():
    problem = made(12, 3, 8, 0, correlation=0.0)
    known, columns = known_of(problem), (1,) * 12
    at = known.places(columns)
    whole = known.products[np.ix_(at, at)].sum()
    additive, quadratic = (problem.predict(columns, how) for how in ("additive", "quadratic"))
    assert abs(whole - additive) < 0.4 * abs(quadratic - additive)


def test_directions_are_averaged_before_samples_are_compared():
    """The same sample along two directions is one sample: its products are no surer for it than they are."""
    problem = made(3, 2, 50, 0)
    twice = Problem(np.concatenate([problem.damage, problem.damage], 2), problem.cost)
    one, two = evidence(problem, 50), evidence(twice, 50)
    assert np.allclose(one.products, two.products)
    assert np.allclose(one.chance / (2 / 3), two.chance / (2 / 4))


def test_tied_layers_are_one_row_and_what_is_always_quantized_counts():
    problem = made(4, 2, 3000, 0, base=0.5, ties=[[0, 2]])
    known = known_of(problem)
    assert len(known.row) == 3 * 2 + 1
    assert len(known.places((1, 0, 1, 0))) == 4
    at = known.places((1, 0, 1, 0))
    assert known.products[np.ix_(at, at)].sum() == pytest.approx(problem.predict((1, 0, 1, 0), "quadratic"), rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_measured_choices_set_others_right(seed):
    problem = made(10, 4, SAMPLES, seed)
    truth = factors(problem, seed, 0.5)
    seen, others = choices(problem, 12, seed), choices(problem, 40, 100 + seed)
    found = corrected(known_of(problem), {one: truth.predict(one, "quadratic") for one in seen})
    exact = np.array([truth.predict(one, "quadratic") for one in others])
    before = np.array([problem.predict(one, "quadratic") for one in others])
    after = np.array([found.expected(one).value for one in others])
    assert found.measured == 12
    assert np.median(abs(after / exact - 1)) < 0.7 * np.median(abs(before / exact - 1))


def test_intervals_hold_about_as_often_as_they_say():
    held = []
    for seed in range(12):
        problem = made(10, 4, SAMPLES, seed)
        truth = factors(problem, seed, 0.6)
        found = corrected(
            known_of(problem), {one: truth.predict(one, "quadratic") for one in choices(problem, 10, seed)}
        )
        for one in choices(problem, 30, 50 + seed):
            told, exact = found.expected(one), truth.predict(one, "quadratic")
            assert told.low < told.value < told.high
            held.append(told.low <= exact <= told.high)
    assert 0.9 < np.mean(held) < 1


def test_left_out_says_how_far_off_predictions_are():
    problem = made(10, 4, SAMPLES, 0)
    seen = choices(problem, 12, 0)
    known = known_of(problem)
    right, wrong = (
        corrected(known, {one: truth.predict(one, "quadratic") for one in seen})
        for truth in (problem, factors(problem, 1, 1.0))
    )
    assert right.missed < 0.05 < wrong.missed


def test_a_choice_like_a_measured_one_is_surer_than_one_unlike():
    problem = made(8, 4, SAMPLES, 0)
    truth, columns = factors(problem, 0, 1.0), (0,) * 8
    found = corrected(known_of(problem), {one: truth.predict(one, "quadratic") for one in [columns, (1,) * 8]})

    def width(told):
        return told.high / told.low

    assert width(found.expected((*columns[:-1], 3))) < width(found.expected((3,) * 8))


def test_rows_measured_alone_set_all_choices_right():
    """Every row in every plan, and no choice at all: what is left is what the directions' chance does to products."""
    problem = made(10, 4, SAMPLES, 0)
    truth, known = factors(problem, 2, 1.0), known_of(problem)
    rows, plans = problem.groups.open.shape
    alone = {}
    for row in range(rows):
        for plan in range(plans):
            pulled = truth.damage[row, plan]
            alone[row, plan] = float((pulled**2).mean())
    found = corrected(known, {}, alone)
    assert found.measured == 0 and found.missed is None
    off = [
        (found.expected(one).value / exact - 1, problem.predict(one, "quadratic") / exact - 1)
        for one in choices(problem, 30, 9)
        for exact in [truth.predict(one, "quadratic")]
    ]
    right, bare = np.median(np.abs(off), axis=0)
    assert right < 0.05 < 5 * right < bare


def rows_alone(problem):
    rows, plans = problem.groups.open.shape
    return {(row, plan): problem.damage[row, plan] for row in range(rows) for plan in range(plans)}


def test_changes_of_outputs_tell_how_errors_go_together():
    """The truth goes together otherwise than is predicted; with changes known, nothing is left to chance."""
    predicted, truth = made(10, 4, SAMPLES, 0, correlation=0.0), made(10, 4, SAMPLES, 3, correlation=0.9)
    known, changes = known_of(predicted), rows_alone(truth)
    errors = {place: float((change**2).mean()) for place, change in changes.items()}
    bare, told = corrected(known, {}, errors), corrected(with_changes(known, changes), {}, errors)
    for columns in choices(truth, 20, 9):
        exact = truth.predict(columns, "quadratic")
        assert told.expected(columns).value == pytest.approx(exact, rel=0.02)
        assert abs(bare.expected(columns).value / exact - 1) > 0.2


def test_changes_that_say_nothing_of_rows_change_nothing():
    problem = made(4, 3, SAMPLES, 0)
    known, changes = known_of(problem), rows_alone(problem)
    always = known_of(made(4, 3, SAMPLES, 0, base=0.5))
    assert with_changes(always, changes) is always
    assert with_changes(known, {place: 0 * change for place, change in changes.items()}) is known
    assert with_changes(known, {place: np.nan * change for place, change in changes.items()}) is known
    assert with_changes(known, {(0, 0): changes[0, 0]}) is known
    some = with_changes(known, {place: changes[place] for place in ((0, 1), (2, 2))})
    assert np.argwhere(some.products != known.products).tolist() == [[1, 8], [8, 1]]


def test_what_teaches_nothing_is_left_aside():
    problem = made(4, 2, SAMPLES, 0)
    silent = Problem(np.where(np.arange(2)[:, None] == 0, 0, problem.damage), problem.cost)
    known = known_of(silent)
    assert corrected(known, {}) is None
    assert corrected(known, {(0,) * 4: 1.0, (1,) * 4: np.inf, (1, 1, 1, 0): 0.0, (0, 0, 1, 1): np.nan}) is None
    error = 1.2 * problem.predict((1,) * 4, "additive")
    found = corrected(known, {(0,) * 4: 1.0, (1,) * 4: error})
    assert (found.measured, found.missed) == (1, None)
    assert found.expected((0,) * 4).high == 0.0
    assert found.expected((1,) * 4).value == pytest.approx(error, rel=0.3)
