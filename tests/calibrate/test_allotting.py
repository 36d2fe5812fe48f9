"""How many samples each group gives."""

import pytest

from qdebug.calibrate.allotting import allot, skewed, uniform


def test_shares_are_by_largest_remainders():
    # Hamilton's own example: quotas 2.2, 3.3, 4.5 of 10 give 2, 3 and 5.
    assert allot(10, [22, 33, 45], [9, 9, 9]) == (2, 3, 5)


@pytest.mark.parametrize("samples", [0, 1, 7, 10, 29, 30])
def test_all_samples_are_allotted_and_none_beyond_what_there_is(samples):
    found = allot(samples, [5.0, 1.0, 0.2], [4, 6, 20])
    assert sum(found) == samples
    assert all(one <= size for one, size in zip(found, (4, 6, 20), strict=True))


def test_a_weight_of_nothing_gives_nothing():
    assert allot(9, [1.0, 0.0], [4, 4]) == (4, 0)


def test_even_choices_differ_by_one_at_most():
    assert uniform(48, [48] * 10) == (5, 5, 5, 5, 5, 5, 5, 5, 4, 4)
    assert uniform(10, [1, 50, 50]) == (1, 5, 4)


def test_skewed_choices_have_their_most_below_the_middle():
    places = [float(place) for place in range(11)]
    found = skewed(100, [100] * 11, places)
    assert sum(found) == 100
    assert found.index(max(found)) == 4
    assert found[0] > found[10]
    assert skewed(100, [100] * 11, [7 * place - 3 for place in places]) == found
    assert sum(skewed(5, [4, 4], [1.0, 1.0])) == 5
