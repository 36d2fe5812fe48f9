"""The entropy limit against the published loop written out, bin by bin."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.calibrate import Observer, choose_range
from qdebug.quantize import entropy_limit
from qdebug.recipes import TensorPlan


def divergence(window, left, right, groups):
    """KL of the window with what lies beyond in its outermost bins, from the window in groups spread out again."""
    p = np.array(window, float)
    p[0] += left
    p[-1] += right
    q = np.zeros(len(window))
    for g in range(groups):
        part = slice(g * len(window) // groups, (g + 1) * len(window) // groups)
        filled = np.asarray(window[part]) > 0
        if filled.any():
            q[part] = np.where(filled, np.sum(window[part]) / filled.sum(), 0.0)
    p, q = p / p.sum(), q / q.sum()
    if ((p > 0) & (q == 0)).any():
        return np.inf
    return float(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))


def slow(positive, negative, groups):
    """All divergences by number of bins kept."""
    last = [max((i + 1 for i, n in enumerate(side) if n), default=0) for side in (negative, positive)]
    found = {}
    for kept in range(1, max(*last, 1) + 1):
        below, above = min(kept, last[0]), min(kept, last[1])
        window = [*negative[:below][::-1], *positive[:above]]
        if len(window) >= groups and sum(window):
            found[kept] = divergence(window, sum(negative[below:]), sum(positive[above:]), groups)
    return found


def check(positive, negative, bits, symmetric):
    kept = entropy_limit(np.array([positive]), np.array([negative]), bits, symmetric)[0]
    if symmetric:
        positive, negative = [a + b for a, b in zip(positive, negative, strict=True)], [0] * len(positive)
    found = slow(positive, negative, 2 ** (bits - 1 if symmetric else bits))
    if not found or kept == len(positive):
        # what is not clipped at all is as good as anything
        assert not found or list(found.values())[-1] <= min(found.values()) + 1e-9
    else:
        assert found[kept] <= min(found.values()) + 1e-9


counts = st.lists(st.integers(0, 30) | st.just(0), min_size=24, max_size=24)


@given(counts, counts, st.integers(2, 4), st.booleans())
def test_as_written_out(positive, negative, bits, symmetric):
    check(positive, negative, bits, symmetric)


@pytest.mark.parametrize("kind", ["normal", "laplace", "outlier", "one sided"])
def test_as_published_for_int8(kind):
    """128 groups, limits from 128 of 2048 bins up, magnitudes."""
    rng = np.random.default_rng(2)
    x = {
        "normal": rng.normal(size=20000), "laplace": rng.laplace(size=20000),
        "outlier": np.append(rng.normal(size=20000), 30.0), "one sided": rng.exponential(size=20000),
    }[kind]  # fmt: skip
    bins = np.histogram(np.abs(x), bins=2048, range=(0.0, np.abs(x).max()))[0]
    kept = entropy_limit(bins[None], np.zeros_like(bins)[None], 8, True)[0]
    published = {}
    for i in range(128, 2049):
        p = bins[:i].astype(float)
        p[-1] += bins[i:].sum()
        q = np.zeros(i)
        for g in range(128):
            part = slice(g * i // 128, (g + 1) * i // 128)
            if bins[part].any():
                q[part] = np.where(bins[part] > 0, bins[part].sum() / (bins[part] > 0).sum(), 0)
        p, q = p / p.sum(), q / q.sum()
        used = p > 0
        with np.errstate(divide="ignore"):
            published[i] = np.sum(p[used] * np.log(p[used] / q[used]))
    assert published[int(kept)] == pytest.approx(min(published.values()), abs=1e-12)


def test_an_outlier_is_clipped_and_a_full_range_is_not():
    torch.manual_seed(0)  # of 120 seeds, two make every limit but the widest worse
    observer = Observer(1)
    observer.update(torch.cat([torch.randn(50_000, 1), torch.tensor([[50.0]])]))
    low, high = choose_range(observer.stats(), TensorPlan("int8", range="entropy"))
    assert high < 10.0
    flat = Observer(1)
    flat.update(torch.linspace(-1, 1, 65536).view(-1, 1))
    low, high = choose_range(flat.stats(), TensorPlan("int8", symmetric=False, range="entropy"))
    assert (low, high) == pytest.approx((-1.0, 1.0), abs=0.01)


def test_zeros_have_no_say():
    x = torch.randn(20_000, 1).relu()
    with_zeros, without = Observer(1), Observer(1)
    with_zeros.update(x)
    without.update(x[x > 0].view(-1, 1))
    plan = TensorPlan("int8", symmetric=False, range="entropy")
    one, other = with_zeros.stats(), without.stats()
    assert one.exponent == other.exponent
    assert choose_range(one, plan) == choose_range(other, plan)


def test_limits_can_be_tried_in_part_and_the_widest_is_always_among_them():
    bins = np.full((1, 1000), 7)
    assert entropy_limit(bins, np.zeros_like(bins), 4, True, most=5)[0] == 1000
