"""Multiply-adds that are rounded once, against exact fractions."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.quantize.integer.fused import fma, in_pieces, polynomial

SIZES = st.floats(2.0**-30, 2.0**30, width=32)
NUMBERS = st.builds(lambda size, sign: sign * size, SIZES, st.sampled_from([-1.0, 1.0])) | st.just(0.0)


def nearest(x: Fraction) -> np.float32:
    """The float32 nearest to a fraction, half to even."""
    start = np.float32(float(x))
    near = [np.nextafter(start, np.float32(-np.inf)), start, np.nextafter(start, np.float32(np.inf))]
    return min(near, key=lambda one: (abs(Fraction(float(one)) - x), int(one.view(np.int32)) & 1))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_it_is_the_nearest_number(a, b, c):
    found = fma(torch.tensor([a]), torch.tensor([b]), torch.tensor([c]))
    assert found.numpy()[0] == nearest(Fraction(a) * Fraction(b) + Fraction(c))


# one, and as little less and more than one as float64 cannot hold beside 2^24
ABOUT_ONE = [(1.0, 1.0), (1 + 2.0**-23, 1 - 2.0**-23), (1 + 2.0**-12, 1 - 2.0**-12 + 2.0**-24)]


@given(st.integers(0, 2**23 - 1), st.sampled_from(ABOUT_ONE), st.integers(-20, 20), st.sampled_from([-1.0, 1.0]))
def test_sums_that_float64_rounds_to_half_way(mantissa, factors, power, sign):
    a, b, c = sign * factors[0], factors[1] * 2.0 ** (power - 1), (2**23 + mantissa) * 2.0**power
    found = fma(*(torch.tensor([one], dtype=torch.float32) for one in (a, b, c)))
    assert found.numpy()[0] == nearest(Fraction(a) * Fraction(b) + Fraction(c))


def test_shapes_broadcast():
    a, b = torch.randn(5, 1), torch.randn(1, 4)
    assert torch.equal(fma(a, b, 1.0), fma(a.expand(5, 4), b.expand(5, 4), torch.ones(5, 4)))


def test_a_polynomial_rounds_at_every_step():
    x, coefficients = torch.tensor([1.1, -0.3]), (0.1, 2.0, -0.7)
    first = fma(x, torch.tensor(0.1), torch.tensor(2.0))
    assert torch.equal(polynomial(x, coefficients), fma(first, x, torch.tensor(-0.7).double()))


def test_pieces_are_put_together_again():
    x = torch.randn(7, 3, 2**12)
    assert torch.equal(in_pieces(torch.neg, x), -x)
    assert torch.equal(in_pieces(lambda rows: rows - rows[:, :1], x, 2**12), x - x[..., :1])
    assert in_pieces(torch.neg, torch.empty(0, 4), 4).shape == (0, 4)
