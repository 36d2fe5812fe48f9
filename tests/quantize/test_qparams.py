import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from qdebug.errors import NumericError
from qdebug.formats import INT4, INT8, find
from qdebug.quantize import SMALLEST_SCALE, cast, choose_qparams, fake_quantize
from tests.quantize import reference
from tests.quantize.tensors import LARGEST, bits, finite

limits = st.tuples(finite, finite).map(sorted)


def choose(rmin, rmax, width, symmetric):
    return choose_qparams(rmin, rmax, find(f"int{width}"), symmetric)


@given(limits.filter(lambda r: max(map(abs, r)) < 1e38), bits, st.booleans())
def test_matches_the_textbook(limits, width, symmetric):
    qparams = choose(*limits, width, symmetric)
    scale, zero_point, qmin, qmax = reference.qparams(*limits, width, symmetric)
    assert qparams.scale.item() == scale
    assert qparams.zero_point.item() == zero_point
    assert (qparams.qmin, qparams.qmax) == (qmin, qmax)


@given(limits, bits, st.booleans())
@example([-3e38, 3e38], 8, False)
@example([-LARGEST, LARGEST], 2, True)
@example([-LARGEST, LARGEST], 8, False)
@example([-1e-45, 0.0], 8, True)
@example([0.0, 0.0], 8, False)
def test_every_finite_range_gives_a_usable_grid(limits, width, symmetric):
    qparams = choose(*limits, width, symmetric)
    scale, zero_point = qparams.scale.item(), qparams.zero_point.item()
    assert SMALLEST_SCALE <= scale < math.inf
    assert zero_point == round(zero_point)
    assert qparams.qmin <= zero_point <= qparams.qmax
    everything = fake_quantize(torch.tensor([-math.inf, -LARGEST, 0.0, LARGEST, math.inf]), qparams)
    assert torch.isfinite(everything).all()
    assert everything[2] == 0.0, "zero is exactly representable"


@given(limits, bits, st.booleans())
def test_the_grid_covers_the_range_to_within_half_a_step(limits, width, symmetric):
    qparams = choose(*limits, width, symmetric)
    scale = qparams.scale.item()
    if max(map(abs, limits)) < 1e38:  # above, scales are cut so that no code overflows float32
        assert qparams.clip_min.item() <= min(limits[0], 0.0) + scale * 0.5001
        assert qparams.clip_max.item() >= max(limits[1], 0.0) - scale * 0.5001


def test_extreme_ranges_lose_less_than_a_hundredth():
    for symmetric in (True, False):
        qparams = choose(-LARGEST, LARGEST, 8, symmetric)
        assert qparams.clip_max.item() > 0.99 * LARGEST
        assert qparams.clip_min.item() < -0.99 * LARGEST


def test_positive_and_negative_ranges_are_widened_to_zero():
    assert choose(2.0, 4.0, 8, False).clip_min.item() == 0.0
    assert choose(-4.0, -2.0, 8, False).clip_max.item() == 0.0


def test_all_zero_has_scale_one():
    for symmetric in (True, False):
        qparams = choose(0.0, 0.0, 8, symmetric)
        assert qparams.scale.item() == 1.0
        assert torch.equal(fake_quantize(torch.zeros(3), qparams), torch.zeros(3))


@pytest.mark.parametrize("absmax", [1e-30, 1e-20, 1e-12, 1e-9])
def test_small_scales_are_kept(absmax):
    """Raising them to float32's eps, as some libraries do, wipes out small weights."""
    qparams = choose(-absmax, absmax, 8, True)
    assert qparams.scale.item() == np.float32(absmax / 127)
    x = torch.linspace(-absmax, absmax, 1001)
    assert (fake_quantize(x, qparams) - x).abs().max() <= 0.50001 * absmax / 127


def test_scales_stop_at_the_smallest_normal():
    assert choose(-1e-44, 1e-44, 8, True).scale.item() == 2.0**-126 == SMALLEST_SCALE
    assert choose(0.0, 1e-44, 8, False).scale.item() == 2.0**-126


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_limit_that_is_no_number_is_refused(bad, symmetric):
    for pair in [(bad, 1.0), (-1.0, bad)]:
        with pytest.raises(NumericError, match=r"layer blocks\.0"):
            choose_qparams(
                torch.tensor([0.0, pair[0]]), torch.tensor([0.0, pair[1]]), INT8, symmetric, layer="blocks.0"
            )


RANGES = [(-LARGEST, LARGEST), (-1e38, 3e38), (0.0, LARGEST), (-3e38, 0.0), (-2e7, 2e7), (-1e-6, 3e-6), (-1e-40, 1e-42)]


@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("width", [2, 4, 8, 16])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("how", ["fp32", "fp16", "bf16", "e8m0", "double"])
def test_stored_scales_are_numbers_of_their_storage_and_overflow_nothing(how, symmetric, width, limits):
    qparams = choose_qparams(*limits, find(f"int{width}"), symmetric, scale_format=how)
    scale = qparams.scale
    assert scale.dtype == torch.float32
    assert scale > 0
    if how in ("fp16", "bf16"):
        assert cast(scale, find(how)) == scale
    if how == "e8m0":
        assert torch.frexp(scale)[0] == 0.5
    everything = fake_quantize(torch.tensor([-math.inf, -LARGEST, 0.0, LARGEST, math.inf]), qparams)
    assert torch.isfinite(everything).all()
    assert everything[2] == 0.0


def test_the_zero_point_belongs_to_the_stored_scale():
    """1/255 becomes 2^−7 as a power of two, of which the zero point counts its steps."""
    qparams = choose_qparams(-0.25, 0.75, INT8, False, scale_format="e8m0")
    assert (qparams.scale.item(), qparams.zero_point.item()) == (2.0**-7, 32.0)
    assert choose_qparams(-0.25, 0.75, INT8, False).zero_point.item() == 64.0


def test_unsigned_codes_of_a_symmetric_range():
    """As many steps as codes, all above zero; a range without positive values has scale 1."""
    qparams = choose_qparams(-5.0, 51.0, find("uint8"), True)
    assert (qparams.qmin, qparams.qmax, qparams.scale.item(), qparams.zero_point.item()) == (
        0,
        255,
        np.float32(0.2),
        0.0,
    )
    assert choose_qparams(-5.0, -1.0, find("uint8"), True).scale.item() == 1.0


def test_narrow_codes_are_as_many_on_either_side():
    for width in (2, 4, 8):
        symmetric = choose_qparams(-1.0, 0.5, find(f"int{width}_narrow"), True)
        assert (symmetric.qmin, symmetric.qmax) == (1 - 2 ** (width - 1), 2 ** (width - 1) - 1)
        assert symmetric.clip_min == -symmetric.clip_max
        affine = choose_qparams(-1.0, 0.5, find(f"int{width}_narrow"), False)
        assert (affine.qmin, affine.qmax) == (1, 2**width - 1)


def test_shapes_follow_the_ranges():
    low, high = -torch.rand(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    qparams = choose_qparams(low, high, INT4, False, group_size=8)
    assert qparams.scale.shape == qparams.zero_point.shape == qparams.clip_min.shape == (5, 3)
    assert qparams.scale.dtype == qparams.zero_point.dtype == torch.float32
    assert qparams.group_size == 8
    single = choose_qparams(low[2, 1], high[2, 1], INT4, False)
    assert single.scale.shape == ()
    assert (single.scale, single.zero_point) == (qparams.scale[2, 1], qparams.zero_point[2, 1])
