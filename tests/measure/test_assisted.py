"""A mean of part of the data learns from predictions of all: it is no worse where they say nothing."""

import math

import numpy as np
import pytest

from qdebug.measure.assisted import FEWEST, assisted_error, assisted_mean, largest_unseen
from qdebug.measure.intervals import mean, skewed_mean

DRAWS = 1000
COUNT = 540


def population(rng, sigma, directions):
    """Log-normal errors, and what squares along random directions say of them; nothing for 0 directions."""
    errors = np.exp(sigma * rng.standard_normal(COUNT))
    luck = rng.chisquare(directions or 1, COUNT) / (directions or 1)
    return errors, errors * luck if directions else np.exp(sigma * rng.standard_normal(COUNT)) * luck


def drawn(rng, n, sigma, directions):
    """Of many populations: the true mean, and the assisted and the plain interval of the first samples."""
    for _ in range(DRAWS):
        errors, predicted = population(rng, sigma, directions)
        yield errors.mean(), assisted_error(errors[:n], predicted), mean(errors[:n], COUNT)


@pytest.mark.parametrize("directions", [0, 1, 4])
@pytest.mark.parametrize(("n", "sigma"), [(16, 0.3), (68, 0.5), (68, 1.0), (270, 1.0)])
def test_it_covers_what_it_says(n, sigma, directions):
    found = drawn(np.random.default_rng(n), n, sigma, directions)
    held = sum(one.low <= true <= one.high for true, one, _ in found) / DRAWS
    assert 0.92 <= held <= 0.985


@pytest.mark.parametrize("n", [16, 68, 270])
def test_predictions_that_say_nothing_do_no_harm(n):
    pairs = [(one.high - one.low, high - low) for _, one, (low, high) in drawn(np.random.default_rng(1), n, 0.5, 0)]
    assisted, plain = np.median(np.array(pairs), axis=0)
    assert 0.97 <= assisted / plain <= 1.12


def test_predictions_that_say_much_make_it_narrower():
    pairs = [(one.high - one.low, high - low) for _, one, (low, high) in drawn(np.random.default_rng(2), 68, 0.5, 16)]
    assisted, plain = np.median(np.array(pairs), axis=0)
    assert assisted < 0.8 * plain


def test_the_estimate_has_next_to_no_bias():
    """Over parts of one population, with as noisy predictions as there are."""
    rng = np.random.default_rng(3)
    errors, predicted = population(rng, 1.0, 1)
    found = []
    for _ in range(DRAWS):
        order = rng.permutation(COUNT)
        found.append(assisted_mean(errors[order[:68]], predicted[order]).value)
    off = np.mean(found) - errors.mean()
    assert abs(off) < 4 * np.std(found) / math.sqrt(DRAWS) + 0.02 * errors.mean()


def test_a_heavy_sample_that_is_predicted_is_reckoned_with_before_it_is_seen():
    rng = np.random.default_rng(4)
    assisted = plain = 0
    for _ in range(DRAWS):
        errors, predicted = population(rng, 0.5, 2)
        errors[-1] += 0.7 * errors.sum()
        predicted[-1] = errors[-1]
        true, n = errors.mean(), 135
        low, high = mean(errors[:n], COUNT)
        plain += low <= true <= high
        _, low, high = assisted_error(errors[:n], predicted)
        assisted += low <= true <= high
        assert largest_unseen(predicted, n) > 0.2
    assert plain < 0.05 * DRAWS < 0.6 * DRAWS < assisted


def test_of_all_data_it_is_the_mean_itself():
    errors, predicted = population(np.random.default_rng(5), 2.0, 1)
    assert assisted_mean(errors, predicted) == (errors.mean(),) * 3 == assisted_error(errors, predicted)


@pytest.mark.parametrize("predicted", [np.zeros(90), np.full(90, 3.0), -np.arange(90.0)])
def test_what_does_not_go_with_the_values_changes_nothing(predicted):
    values = np.arange(30.0) ** 2
    assert assisted_mean(values, predicted) == (values.mean(), *skewed_mean(values, 90))


def test_values_that_are_no_numbers_or_too_few_are_left_as_they_are():
    value, _, _ = assisted_error(np.array([1.0, np.nan] * 8), np.arange(90.0))
    assert math.isnan(value)
    few = np.arange(FEWEST - 1.0)
    assert assisted_mean(few, np.arange(90.0)) == (few.mean(), *skewed_mean(few, 90))


def test_units_do_not_matter():
    errors, predicted = population(np.random.default_rng(6), 1.0, 2)
    one = assisted_mean(errors[:68], predicted)
    assert assisted_mean(7 * errors[:68], 1e-9 * predicted) == pytest.approx([7 * each for each in one])


def test_no_error_is_negative_so_what_was_seen_is_the_least():
    seen = np.array([0.0] * 15 + [1.0])
    predicted = np.concatenate([seen * 100, np.zeros(16)])
    value, low, high = assisted_error(seen, predicted)
    assert value >= 1 / 32 and low >= 1 / 32 and high >= value


def test_the_largest_of_those_not_seen():
    predicted = np.array([5.0, 1.0, 2.0, 2.0])
    assert [largest_unseen(predicted, n) for n in (0, 1, 3, 4)] == [0.5, 0.2, 0.2, 0.0]
    assert largest_unseen(np.zeros(4), 2) == 0.0
