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


@given(st.integers(0, 2**23 - 1), st.integers(3, 30), st.sampled_from([-1.0, 1.0]), st.booleans())
def test_sums_that_float64_rounds_to_half_way(mantissa, far, sign, negative):
    # the product is half a unit in the last place of c, and as little more or less as float64 cannot hold beside c
    c = (2**23 + mantissa) * 2.0**20
    near = 1 + 2.0**-23
    a, b = sign * 2.0**19 * near, near if negative else 2 - near
    tiny = 2.0**-far
    found = fma(torch.tensor([a * tiny]), torch.tensor([b / tiny]), torch.tensor([c], dtype=torch.float32))
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
