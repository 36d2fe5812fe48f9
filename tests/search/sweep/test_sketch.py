"""Short stand-ins for changed outputs: their products are those of the changes, nearly or exactly."""

import numpy as np
import pytest
import torch

from qdebug.search.sweep.sketch import SUMS, Sketcher, width


def changes(samples, values, seed=0):
    """Two changes of outputs that have half of their squares in common, heavy in a few values as those of nets are."""
    dice = torch.Generator().manual_seed(seed)
    heavy = torch.exp(torch.randn(values, generator=dice))
    common, one, two = (torch.randn(samples, values, generator=dice) * heavy for _ in range(3))
    return common + one, common + two


def stand_in(change, batch=None, seed=1):
    samples, values = change.shape
    before = torch.randn(change.shape, generator=torch.Generator().manual_seed(seed))
    sketcher = Sketcher(samples, values, width(samples, values))
    step = batch or samples
    parts = [
        sketcher.sketch(before[start : start + step], (before + change)[start : start + step], start)
        for start in range(0, samples, step)
    ]
    return np.concatenate(parts)


def test_a_short_output_stands_for_itself():
    change, _ = changes(300, 10)
    np.testing.assert_allclose(stand_in(change), change.numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("samples", "values"), [(64, 1000), (540, 64), (16, 20_001), (3000, 33)])
def test_products_are_off_by_what_chance_allows(samples, values):
    one, two = changes(samples, values)
    sketched = [stand_in(change, seed=seed) for seed, change in enumerate((one, two))]
    assert sketched[0].size <= max(2 * SUMS, samples)
    norm = float(one.norm() * two.norm())
    off = float((sketched[0] * sketched[1]).sum()) - float((one.double() * two).sum())
    assert abs(off) < 4 * norm * np.sqrt(2 / sketched[0].size)
    assert float((sketched[0] ** 2).sum()) == pytest.approx(float(one.double().square().sum()), rel=0.2)


def test_chance_favours_no_side():
    """Over many pairs of changes products are off by nothing on average, and by as much as is said otherwise."""
    off = []
    for seed in range(60):
        one, two = changes(64, 400, seed)
        stand_ins = stand_in(one), stand_in(two)
        off.append(
            float((stand_ins[0] * stand_ins[1]).sum() - (one.double() * two).sum()) / float(one.norm() * two.norm())
        )
    said = np.sqrt(2 / stand_ins[0].size)
    assert abs(np.mean(off)) < 4 * said / np.sqrt(60)
    assert said / 3 < np.std(off) < 1.3 * said


def test_batches_make_no_difference():
    change, _ = changes(50, 3000)
    np.testing.assert_allclose(stand_in(change), stand_in(change, batch=7), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "values", "sums"), [(64, 1000, 32), (540, 10, 3), (540, 6, 6), (10_000, 9, 1), (1, 10**6, 2048)]
)
def test_widths(samples, values, sums):
    assert width(samples, values) == sums
