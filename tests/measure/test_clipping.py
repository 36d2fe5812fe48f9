"""Clip limits: the two errors at each are those of the definition, and their sum is least where it is said to be."""

import pytest
import torch

from qdebug.measure.clipping import PARTS, clip_curve
from qdebug.recipes import TensorPlan, parse_weight_format


def by_definition(weight, bits, part):
    """The squared errors of clipped and of rounded values, straight from what the words mean."""
    top = 2 ** (bits - 1) - 1
    limit = part * float(weight.abs().max())
    step = limit / top
    error = (torch.clamp(torch.round(weight / step), -top - 1, top) * step - weight).double().square()
    beyond = (weight > limit + step / 2) | (weight < -limit - 1.5 * step)  # there is one negative code more
    return float(error[beyond].sum()) / weight.numel(), float(error[~beyond].sum()) / weight.numel()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_both_errors_are_those_of_the_definition(path, bits):
    weight = torch.distributions.StudentT(3.0).sample((16, 40))
    found = clip_curve(weight, parse_weight_format(f"int{bits}"), (0.1, 0.5, 1.0))
    for part, clipping, rounding in zip(found.parts, found.clipping, found.rounding, strict=True):
        cut, moved = by_definition(weight, bits, part)
        assert clipping + rounding == pytest.approx(cut + moved, rel=1e-3)
        assert clipping == pytest.approx(cut, rel=2e-2, abs=1e-12)
    assert found.clipping[-1] == 0.0


def test_the_best_limit_is_the_one_with_the_least_sum_and_moves_outwards_with_more_bits():
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    found = [clip_curve(weight, parse_weight_format(f"int{bits}")) for bits in (2, 4, 8)]
    assert all(one.whole[one.best] == min(one.whole) for one in found)
    limits = [one.parts[one.best] for one in found]
    assert limits == sorted(set(limits))
    assert found[0].parts == PARTS


def test_a_weight_of_zeros_has_no_limit_to_try():
    assert clip_curve(torch.zeros(4, 4), TensorPlan("int8")).parts == ()
    broken = clip_curve(torch.tensor([[1.0, float("nan"), -0.4, 0.2]]), TensorPlan("int8"), (1.0,))
    assert broken.largest == 1.0
