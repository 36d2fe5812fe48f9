"""All 65,536 halves on 40 grids, against division and rounding in integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from qdebug.formats import find
from qdebug.quantize import QParams, choose_qparams, dequantize, fake_quantize, quantize
from tests.quantize import exact
from tests.quantize.tensors import same_bytes

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32).reshape(256, 256)


def chosen(name: str, low: float, high: float, symmetric: bool) -> QParams:
    return choose_qparams(low, high, find(name), symmetric)


def given(scale: float, zero_point: int = 0, codes: tuple[int, int] = (-128, 127)) -> QParams:
    return QParams(torch.tensor(scale, dtype=torch.float32), torch.tensor(float(zero_point)), *codes)


def grouped(name: str, symmetric: bool, size: int) -> QParams:
    """Ranges of many magnitudes, one for each group of a row."""
    count = -(-256 // size) if size else 1
    random = np.random.default_rng(size)
    absmax = 2.0 ** random.uniform(-30, 20, (256, count))
    low, high = -absmax * random.uniform(0, 1, absmax.shape), absmax
    return choose_qparams(torch.from_numpy(low), torch.from_numpy(high), find(name), symmetric, group_size=size)


GRIDS = {
    **{f"int{bits}, symmetric, absmax 1": chosen(f"int{bits}", -1, 1, True) for bits in range(2, 17)},
    **{f"int{bits}, affine, −0.3 … 2.7": chosen(f"int{bits}", -0.3, 2.7, False) for bits in (2, 3, 4, 6, 8, 16)},
    **{f"int{bits} narrow, absmax 0.7": chosen(f"int{bits}_narrow", -0.7, 0.3, True) for bits in (2, 4, 8, 16)},
    "uint8, symmetric, to 6": chosen("uint8", 0, 6, True),
    "uint4, affine, all negative": chosen("uint4", -3, -1, False),
    "scale the smallest normal": given(2.0**-126),
    "scale so large that quotients are subnormal": given(2.5e38, 0, (-1, 1)),
    "scale 1e-30": given(1e-30, 17),
    "scale a power of two": given(2.0**-7),
    "scale the smallest half": given(2.0**-24, 128, (0, 255)),
    "scale 0.1": given(0.1, 100, (0, 255)),
    "scale one third, 16 bits": given(1 / 3, 0, (-32768, 32767)),
    "scale just above one": given(1 + 2.0**-23),
    "scale just below two": given(2 - 2.0**-23, -128),
    "int8, symmetric, per row": grouped("int8", True, 0),
    "int8, affine, per row": grouped("int8", False, 0),
    "int4, symmetric, groups of 64": grouped("int4", True, 64),
    "int3, affine, groups of 100, the last shorter": grouped("int3", False, 100),
}


def spread(part: torch.Tensor, grid: QParams) -> np.ndarray:
    """Scales or zero points for every value, float32."""
    if part.dim() == 0:
        return np.full((256, 256), part.item(), np.float32)
    return np.repeat(part.numpy(), grid.group_size or 256, axis=1)[:, :256]


def oracle(x: np.ndarray, grid: QParams, *, once: bool = False) -> np.ndarray:
    """Codes of numbers by integer arithmetic; ``once``: from the exact quotient, without float32 in between."""
    finite = np.isfinite(x)
    quotients = exact.divided(np.where(finite, x, 1), spread(grid.scale, grid))
    whole = exact.rounded(quotients if once else exact.in_float32(quotients))
    whole = np.where(finite, whole, np.where(np.signbit(x), -(1 << 24), 1 << 24))
    return (whole + spread(grid.zero_point, grid).astype(np.int64)).clip(grid.qmin, grid.qmax)


def test_the_oracle_divides_as_fractions_do():
    """The vectorized integers once more with Python's fractions, on some values of every grid."""
    random = np.random.default_rng(3)
    for grid in GRIDS.values():
        scale = spread(grid.scale, grid)
        quotients = exact.divided(np.where(np.isfinite(HALVES), HALVES, 1), scale)
        single = exact.in_float32(quotients)
        whole, whole_once = exact.rounded(single), exact.rounded(quotients)
        for r, c in random.integers(0, 256, (50, 2)):
            if not np.isfinite(HALVES[r, c]):
                continue
            true = Fraction(float(HALVES[r, c])) / Fraction(float(scale[r, c]))
            kept = single.sign[r, c] * Fraction(int(single.whole[r, c])) * Fraction(2) ** int(single.exponent[r, c])
            assert kept == nearest_float32(true)
            if abs(true) < 2**23:
                assert (whole[r, c], whole_once[r, c]) == (round(kept), round(true))


def nearest_float32(value: Fraction) -> Fraction:
    """Half to even, without a largest number."""
    unit = Fraction(2) ** -149
    while abs(value) >= 2**24 * unit:
        unit *= 2
    return round(value / unit) * unit


def test_there_are_40_grids():
    assert len(GRIDS) == 40


@pytest.mark.parametrize("name", GRIDS)
def test_every_half_against_rational_arithmetic(name, path):
    """The code is the clamp of the float32 quotient rounded half to even, and its real is rounded once."""
    grid = GRIDS[name]
    number = ~np.isnan(HALVES)
    x = torch.from_numpy(HALVES)
    codes = quantize(torch.where(torch.isnan(x), 0.0, x), grid)
    np.testing.assert_array_equal(codes.numpy()[number], oracle(HALVES, grid)[number])

    # A code of 17 bits times a scale of 24 is exact in float64, so this rounds once.
    steps = codes.double().numpy() - spread(grid.zero_point, grid)
    reals = torch.from_numpy((steps * spread(grid.scale, grid).astype(np.float64) + 0.0).astype(np.float32))
    assert same_bytes(dequantize(codes, grid), reals)
    expected = torch.where(torch.isnan(x), x, reals)
    assert same_bytes(fake_quantize(x, grid), expected)
    own = x.clone()
    assert fake_quantize(own, grid, out=own) is own
    assert same_bytes(own, expected)


def test_rounding_the_quotient_first_changes_few_codes():
    """A float32 division, which is what runtimes do, sends 1,070 of these 2.6 million codes to the other side of a tie.

    It takes an exact quotient within half a float32 step of the tie. Scales that are a range over an odd number of
    steps put the middle of the range there; at a scale of one third every odd half of an odd number is such a place.
    """
    different = {}
    for name, grid in GRIDS.items():
        twice, once = oracle(HALVES, grid), oracle(HALVES, grid, once=True)
        where = np.isfinite(HALVES) & (twice != once)
        assert (np.abs(twice - once)[where] == 1).all()
        quotient = HALVES[where].astype(np.float64) / spread(grid.scale, grid)[where]
        tie = np.floor(quotient) + 0.5
        assert (np.abs(quotient - tie) <= np.abs(tie) * 2.0**-24).all()
        different[name] = int(where.sum())
    assert {name: count for name, count in different.items() if count} == {
        "int3, symmetric, absmax 1": 2,  # ±0.5 / (1/3)
        "int15, symmetric, absmax 1": 2,
        "int16, symmetric, absmax 1": 4,
        "int3, affine, −0.3 … 2.7": 1,  # 1.5, half of the range
        "int4, affine, −0.3 … 2.7": 1,
        "int6, affine, −0.3 … 2.7": 1,
        "int8, affine, −0.3 … 2.7": 1,
        "int16, affine, −0.3 … 2.7": 5,
        "int16 narrow, absmax 0.7": 2,
        "uint8, symmetric, to 6": 1,
        "uint4, affine, all negative": 1,
        "scale 0.1": 25,
        "scale one third, 16 bits": 1024,
    }
