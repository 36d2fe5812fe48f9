"""OCTAV against its published recursion written out, and against the minimum of the error it stands for."""

import numpy as np
import pytest
import torch

from qdebug.calibrate import Observer, choose_range
from qdebug.formats import find
from qdebug.quantize.ranges import groups as ranges
from qdebug.quantize.ranges import octav
from qdebug.recipes import TensorPlan


def recursion(x, bits, unsigned=False):
    """Sakr et al. 2022, on magnitudes, from the mean of those that are not zero."""
    magnitude = np.abs(x[x != 0])
    noise, limit = 4.0**-bits / (12 if unsigned else 3), magnitude.mean()
    for _ in range(100):
        beyond = magnitude > limit
        limit = magnitude[beyond].sum() / (noise * (~beyond).sum() + beyond.sum())
    return limit


def error(x, low, high, bits):
    """Clipping, and a twelfth of the squared step for every value inside that is not zero."""
    inside = ((x > low) & (x < high) & (x != 0)).sum()
    clipping = np.square(np.maximum(x - high, 0)).sum() + np.square(np.maximum(low - x, 0)).sum()
    return clipping + inside * (high - low) ** 2 * 4.0**-bits / 12


def kinds():
    rng = np.random.default_rng(9)
    return {
        "normal": rng.normal(size=20_000), "laplace": rng.laplace(size=20_000), "heavy": rng.standard_t(3, 20_000),
        "relu": np.maximum(rng.normal(size=20_000), 0), "shifted": rng.normal(size=20_000) + 1.0,
        "outlier": np.append(rng.normal(size=20_000), 100.0),
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_published_recursion(path, kind, bits):
    x = kinds()[kind].astype(np.float32)
    expected = recursion(x.astype(np.float64), bits)
    low, high = ranges.octav(torch.from_numpy(x).view(1, -1), find(f"int{bits}"), True)
    assert max(-low.item(), high.item()) == pytest.approx(min(expected, np.abs(x).max()), rel=1e-3)
    observer = Observer(1)
    observer.update(torch.from_numpy(x).view(-1, 1))
    low, high = choose_range(observer.stats(), TensorPlan(f"int{bits}", range="octav"))
    assert max(-low, high) == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_unsigned_data(bits):
    x = kinds()["relu"].astype(np.float32)
    low, high = ranges.octav(torch.from_numpy(x).view(1, -1), find(f"int{bits}"), False)
    assert low.item() == 0.0
    assert high.item() == pytest.approx(recursion(x.astype(np.float64), bits, unsigned=True), rel=1e-3)


@pytest.mark.parametrize("kind", ["normal", "laplace", "heavy", "shifted"])
@pytest.mark.parametrize("bits", [3, 5])
def test_affine_limits_are_the_best_there_are(kind, bits):
    x = kinds()[kind].astype(np.float32).astype(np.float64)
    low, high = ranges.octav(torch.from_numpy(x).float().view(1, -1), find(f"int{bits}"), False)
    found = error(x, low.item(), high.item(), bits)
    for a in np.linspace(0.3, 1.0, 30) * x.min():
        for b in np.linspace(0.1, 1.0, 40) * x.max():
            assert found <= 1.005 * error(x, a, b, bits)


def test_few_steps_do(monkeypatch):
    steps = []
    data = torch.from_numpy(kinds()["heavy"]).float().view(1, 1, -1)

    def tails(low, high):
        steps.append(high.item())
        return ranges._tails(data, low, high)

    limits = data.amin(-1).double(), data.amax(-1).double()
    octav.octav_range(tails, torch.tensor([[20_000.0]]).double(), limits, 8, True)
    assert len(steps) <= 20
    assert steps == sorted(steps)
    steps.clear()
    monkeypatch.setattr(octav, "MOST_STEPS", 3)
    octav.octav_range(tails, torch.tensor([[20_000.0]]).double(), limits, 8, True)
    assert len(steps) == 3


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_value_alone_is_kept(symmetric):
    for value in (2.5, -2.5, 1e-45):
        x = torch.tensor([[value, value, value]])
        low, high = ranges.octav(x, find("int4"), symmetric)
        assert (low.item(), high.item()) == (min(x[0, 0].item(), 0.0), max(x[0, 0].item(), 0.0))
