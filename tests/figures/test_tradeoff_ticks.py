"""Marks on the axis of a trade-off can be told apart, however close the values are."""

import pytest

from qdebug.figures.tradeoff import _digits


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([129.01, 129.04, 129.0], 6),
        ([3.38, 3.49, 8.0], 3),
        ([100.0, 101.0], 5),
        ([5.0], 3),
        ([4.0, 4.0, float("inf")], 3),
    ],
)
def test_digits_that_tell_values_apart(values, digits):
    assert _digits(values) == digits
