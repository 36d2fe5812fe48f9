"""The MSE search against a dense brute force in float64, and against min-max."""

import numpy as np
import pytest
import torch

from qdebug.formats import find
from qdebug.quantize import choose_qparams, quantize_weight, search_clip
from qdebug.quantize.ranges import groups as ranges
from qdebug.recipes import TensorPlan
from tests.quantize import reference

COUNT = 1500


def samples(kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    normal = rng.normal(size=COUNT)
    values = {
        "normal": normal,
        "heavy tails": rng.standard_t(2, size=COUNT),
        "after a relu": np.maximum(normal, 0),
        "one outlier": np.append(normal[1:], 150.0),
        "two modes": np.where(normal > 0, 3 + normal / 10, -5 + normal / 10),
    }[kind]
    return values.astype(np.float32).astype(np.float64)


KINDS = ("normal", "heavy tails", "after a relu", "one outlier", "two modes")


def squared_error(x, low, high, bits, symmetric):
    return float(np.square(reference.fake_quantize(x, *reference.qparams(low, high, bits, symmetric)) - x).sum())


def brute_force(x, bits, symmetric):
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if symmetric:
        absmax = max(-low, high)
        return min(squared_error(x, -absmax * r, absmax * r, bits, True) for r in 2 ** np.linspace(-8, 0, 800))
    ratios = 2 ** np.linspace(-7, 0, 43)
    return min(squared_error(x, low * a, high * b, bits, False) for a in ratios for b in ratios)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("bits", "symmetric"), [(2, True), (4, True), (8, True), (3, False), (8, False)])
def test_within_a_hundredth_of_brute_force_and_never_worse_than_minmax(kind, bits, symmetric):
    x = samples(kind)
    low, high = ranges.mse(torch.from_numpy(x).float().view(1, -1), find(f"int{bits}"), symmetric)
    found = squared_error(x, low.item(), high.item(), bits, symmetric)
    assert found <= 1.01 * brute_force(x, bits, symmetric)
    assert found <= squared_error(x, x.min(), x.max(), bits, symmetric) * (1 + 1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
def test_groups_against_brute_force(path, symmetric):
    torch.manual_seed(0)
    x = torch.randn(12, 40)
    low, high = ranges.mse(x, find("int4"), symmetric, 32)  # a whole group and a short one
    found = best = 0.0
    for r, row in enumerate(x.double().numpy()):
        for g, part in enumerate((row[:32], row[32:])):
            found += squared_error(part, low[r, g].item(), high[r, g].item(), 4, symmetric)
            best += brute_force(part, 4, symmetric)
    assert found <= 1.01 * best


def test_clearly_better_than_minmax_where_there_are_outliers(path):
    torch.manual_seed(1)
    w = torch.randn(8, 512)
    w[:, 7] = 9.0
    for granularity in ("tensor", "channel"):
        error = {
            method: (quantize_weight(w, TensorPlan("int4", granularity, range=method))[0] - w).square().mean().item()
            for method in ("minmax", "mse")
        }
        assert error["mse"] < 0.75 * error["minmax"]


def test_each_element_is_searched_by_itself(path):
    x = torch.cat([torch.randn(3, 64), torch.randn(3, 64) * 1000])
    together = ranges.mse(x, find("int4"), False)
    for r in range(6):
        alone = ranges.mse(x[r : r + 1], find("int4"), False)
        assert together[0][r].item() == alone[0].item()
        assert together[1][r].item() == alone[1].item()


def test_finds_the_bottom_of_a_smooth_valley():
    def errors(low, high):
        return (torch.log2(-low) + 2.3) ** 2 + (torch.log2(high) + 4.7) ** 2

    low, high = search_clip(torch.tensor([-1.0]).double(), torch.tensor([1.0]).double(), False, errors)
    assert np.log2(-low.item()) == pytest.approx(-2.3, abs=1 / 64)
    assert np.log2(high.item()) == pytest.approx(-4.7, abs=1 / 64)


def test_shrinks_and_keeps_zero():
    x = torch.randn(1, 500).abs()
    for symmetric in (True, False):
        low, high = ranges.mse(x, find("int3"), symmetric)
        assert low.item() <= 0 <= high.item() <= x.max().item()
        choose_qparams(low, high, find("int3"), symmetric)
